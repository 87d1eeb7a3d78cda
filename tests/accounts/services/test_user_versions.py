"""A request that names a version of its user never gets an older one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from tests.cast import client_of
from tests.clocks import Clock
from tests.counting import counts
from usercache import get_user_by_id
from usercache.versions import (
    REFUSAL_SECONDS,
    REMEMBERED_REFUSALS,
    Refusals,
    VersionNotFoundError,
    get_user_at_version,
)

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Refuse by a clock that stands still."""
    clock = Clock()
    refusals = Refusals(clock)
    monkeypatch.setattr("usercache.versions.get_refusals", lambda: refusals)
    return clock


def execute(statement: str, *values: str | int) -> Any:
    """Write as another service would, so that the cache isn't told; return the first value."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found = cursor.fetchone() if cursor.description else None
    return found and found[0]


def rename(user: User, name: str) -> int:
    """Rename the user past the ORM, and return the version."""
    return int(
        execute("UPDATE users SET first_name = %s WHERE id = %s RETURNING version", name, user.pk)
    )


def version_in_database(user: User) -> int:
    return User.objects.values_list("version", flat=True).get(pk=user.pk)


# -- the column


def test_each_change_of_a_cached_column_raises_the_version(alice: User) -> None:
    """By the ORM, in bulk and by SQL; by one for each statement."""
    first = version_in_database(alice)
    alice.first_name = "Alicia"
    alice.save()
    User.objects.filter(pk=alice.pk).update(last_name="Moss")
    rename(alice, "Ali")
    assert version_in_database(alice) == first + 3


def test_nothing_else_raises_it(alice: User) -> None:
    """Neither a save of the same values, nor an uncached column, nor who assigns it."""
    first = version_in_database(alice)
    execute("UPDATE users SET first_name = first_name WHERE id = %s", alice.pk)
    User.objects.filter(pk=alice.pk).update(password="another")
    User.objects.filter(pk=alice.pk).update(version=first + 100)
    assert version_in_database(alice) == first


def test_instance_that_was_loaded_earlier_takes_nothing_back(alice: User) -> None:
    """It is saved with an older version, and the row's grows nevertheless."""
    earlier = User.objects.get(pk=alice.pk)
    second = rename(alice, "Alicia")
    earlier.bio = "Cooks."
    earlier.save()
    assert version_in_database(alice) == second + 1


# -- the look-up


def test_record_that_is_older_is_replaced(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """One query, and the older record is served to nobody afterwards."""
    get_user_by_id(alice.pk)
    seen = rename(alice, "Alicia")
    stale = get_user_by_id(alice.pk)
    assert stale is not None
    assert stale.first_name == "Alice"
    with django_assert_num_queries(1):
        found = get_user_at_version("pk", alice.pk, seen)
    assert found is not None
    assert (found.first_name, found.version) == ("Alicia", seen)
    current = get_user_by_id(alice.pk)
    assert current is not None
    assert current.first_name == "Alicia"


def test_record_that_is_new_enough_costs_nothing(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """It has the very version, or a later one than was seen."""
    current = get_user_by_id(alice.pk)
    assert current is not None
    with django_assert_num_queries(0):
        for version in (0, 1, current.version):
            assert get_user_at_version("pk", alice.pk, version) == current


def test_user_is_found_by_other_columns(alice: User) -> None:
    """By any that is unique and cached."""
    get_user_by_id(alice.pk)
    seen = rename(alice, "Alicia")
    found = get_user_at_version("email", "ALICE@example.com", seen)
    assert found is not None
    assert found.first_name == "Alicia"


def test_user_who_was_deleted_is_nobody(alice: User) -> None:
    """A deletion is later than any version; the record is served to nobody afterwards."""
    get_user_by_id(alice.pk)
    execute("DELETE FROM users WHERE id = %s", alice.pk)
    assert get_user_by_id(alice.pk) is not None
    assert get_user_at_version("pk", alice.pk, alice.version + 1) is None
    assert get_user_by_id(alice.pk) is None


def test_versions_that_are_made_up_cost_a_query_a_second(
    alice: User, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """They are refused, each is counted, and the record stays for the others."""
    get_user_by_id(alice.pk)

    def ask() -> None:
        for version in range(2**62, 2**62 + 10):
            with pytest.raises(VersionNotFoundError):
                get_user_at_version("pk", alice.pk, version)

    with django_assert_num_queries(1):
        ask()
    clock.now += REFUSAL_SECONDS
    with django_assert_num_queries(1):
        ask()
    assert (counts()["versions_refused"], counts()["version_reloads"]) == (20, 2)
    with django_assert_num_queries(0):
        assert get_user_by_id(alice.pk) == alice


def test_refusals_take_bounded_memory() -> None:
    """The first are forgotten first."""
    refusals = Refusals(lambda: 0.0)
    for number in range(REMEMBERED_REFUSALS + 1):
        refusals.note(number)
    assert not refusals.is_refused(0)
    assert refusals.is_refused(1)
    assert refusals.is_refused(REMEMBERED_REFUSALS)


def test_it_works_without_the_cache(alice: User, settings: Settings) -> None:
    """Each look-up is a query then, and knows what is committed."""
    settings.USERCACHE_ENABLED = False
    seen = rename(alice, "Alicia")
    assert get_user_at_version("pk", alice.pk, seen) == alice
    with pytest.raises(VersionNotFoundError):
        get_user_at_version("pk", alice.pk, seen + 1)


# -- the request


def test_request_never_gets_an_older_user(alice: User) -> None:
    """It names what its caller has seen; without, the cache may not know of the write yet."""
    client = client_of(alice)
    client.get("/auth/profile")
    seen = rename(alice, "Alicia")
    assert client.get("/auth/profile").json()["first_name"] == "Alice"
    answer = client.get("/auth/profile", headers={"X-User-Version": str(seen)})
    assert answer.json()["first_name"] == "Alicia"


def test_deactivation_that_was_seen_holds(alice: User) -> None:
    """Though it was made past the ORM, a moment ago."""
    client = client_of(alice)
    client.get("/auth/profile")
    seen = execute("UPDATE users SET is_active = false WHERE id = %s RETURNING version", alice.pk)
    assert client.get("/auth/profile", headers={"X-User-Version": str(seen)}).status_code == 401


def test_version_that_the_database_lacks_is_a_503(alice: User) -> None:
    """With a Retry-After: it may be committed in a moment."""
    later = str(version_in_database(alice) + 1)
    answer = client_of(alice).get("/auth/profile", headers={"X-User-Version": later})
    assert answer.status_code == 503
    assert answer.json()["code"] == "version_not_found"
    assert answer["Retry-After"] == "1"


@pytest.mark.parametrize("text", ["seven", "-1", "1.0", str(2**63), "9" * 5000, "٣"])
def test_version_that_is_no_number_is_a_400(alice: User, text: str) -> None:
    """And costs nothing."""
    environ: Callable[..., Any] = client_of(alice).get
    answer = environ("/auth/profile", HTTP_X_USER_VERSION=text)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_version"
