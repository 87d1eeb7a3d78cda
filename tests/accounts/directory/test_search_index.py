"""The directory's pages are read by indexes, which change nothing of what is found."""

import itertools
from unittest import mock

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.directory import search_index
from accounts.directory.pages import find_page
from accounts.directory.search_index import CONTACT_COLUMNS, IS_AVAILABLE, PUBLIC_COLUMNS
from accounts.models import User
from accounts.serializers.requests import ORDERINGS
from tests.cast import Cast

pytestmark = pytest.mark.django_db

WORDS = (
    "alice",
    "ROLLE",
    "alicerolle",
    "e",
    "@",
    "1242",
    "%",
    "_",
    "'",
    '"',
    "\\",
    "||",
    "none",
    "",
)


CROWD = """
INSERT INTO users (email, username, first_name, last_name, phone, password, bio, avatar_url,
  occupation, location, is_active, is_admin, is_superuser, created_at, updated_at, token_version)
SELECT n || '@example.com', 'user' || n, md5(n::text), md5((n + 1)::text), '+1242' || n, '', '', '',
  md5((n + 2)::text), md5((n + 3)::text), true, false, false, now() - n * interval '1 s', now(), 1
FROM generate_series(1, 5000) AS n
"""


@pytest.fixture
def crowd() -> None:
    """Add as many users as make an index worth its while."""
    with connection.cursor() as cursor:
        cursor.execute(CROWD)
        cursor.execute("VACUUM ANALYZE users")


def explain(
    *, search: str = "", ordering: str = "-created_at", viewer: User, page: int = 1
) -> tuple[str, str]:
    """Return PostgreSQL's plans for a page and for its count, with only indexes to choose from."""
    with CaptureQueriesContext(connection) as queries:
        find_page(search=search, ordering=ordering, viewer=viewer, page=page, page_size=20)
    plans = []
    with transaction.atomic(), connection.cursor() as cursor:
        # How many pages VACUUM found visible to all decides this, and any other test may hold some.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in queries.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans.append("\n".join(line for [line] in cursor.fetchall()))
    of_page, of_count = plans
    return of_page, of_count


def is_available() -> bool:
    """Return whether this PostgreSQL comes with the extension."""
    with connection.cursor() as cursor:
        cursor.execute(IS_AVAILABLE)
        return bool(cursor.fetchone()[0])


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_the_rows_before_a_page_are_counted_in_an_index(alice: User, crowd: None) -> None:
    """In each order, without reading them; so are all active users."""
    for name in ORDERINGS:
        index = "users_newest_first" if name == "created_at" else f"users_by_{name}"
        for ordering in (name, f"-{name}"):
            page, count = explain(ordering=ordering, viewer=alice, page=200)
            assert f" using {index} on users" in page
            for plan in (page, count):
                assert "Index Only Scan" in plan
                assert "Seq Scan" not in plan


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_search_is_by_trigrams(alice: User, dora: User, crowd: None) -> None:
    """Where the extension is installed; an admin's is by email and phone as well."""
    for plan in explain(search="alice rolle", viewer=alice):
        assert ("on users_public_search" in plan) is is_available()
        assert "users_contact_search" not in plan
    for plan in explain(search="alice", viewer=dora):
        assert ("on users_public_search" in plan) is is_available()
        assert ("on users_contact_search" in plan) is is_available()


def test_a_search_finds_what_a_search_of_each_column_finds(
    cast: Cast, alice: User, bob: User, dora: User
) -> None:
    """For every word and pair of words, and across no two columns."""
    users = [
        alice,
        bob,
        dora,
        cast.make("erin", username=None, location="Nassau", occupation="O'Neil"),
    ]
    for viewer in (alice, dora):
        columns = PUBLIC_COLUMNS + (CONTACT_COLUMNS if viewer.is_admin else ())
        for words in itertools.product(WORDS, repeat=2):
            found = find_page(
                search=" ".join(words), ordering="created_at", viewer=viewer, page=1, page_size=100
            )
            expected = {
                user.pk
                for user in users
                if all(
                    any(w.upper() in (getattr(user, c) or "").upper() for c in columns)
                    for w in words
                )
            }
            assert {user.pk for user in found.users} == expected, words
            assert found.total == len(expected)


@pytest.mark.postgresql
def test_a_missing_index_is_reported() -> None:
    """With what to install; nothing is asked of a database that isn't checked."""
    databases = [connection.alias]
    is_missing = not is_available()
    assert bool(search_index.check_indexes(databases=databases)) is is_missing
    with mock.patch.dict(search_index.INDEXES, {"users_other_search": ()}):
        [message] = search_index.check_indexes(databases=databases)
        assert message.id == "accounts.W001"
        assert search_index.check_indexes(databases=None) == []


@pytest.mark.postgresql
def test_indexes_are_made_again_after_a_migration() -> None:
    """As when the extension was installed later; where it isn't, nothing is made."""
    with connection.cursor() as cursor:
        for name in search_index.INDEXES:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")
    databases = [connection.alias]
    assert search_index.check_indexes(databases=databases)
    search_index.install_indexes(using=connection.alias)
    search_index.install_indexes(using=connection.alias)
    assert bool(search_index.check_indexes(databases=databases)) is not is_available()
