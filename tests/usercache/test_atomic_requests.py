"""Where each request is a transaction, look-ups are as true as elsewhere, and warm as cheap."""

import json
from typing import Any, Final

import pytest
from django.db import OperationalError, close_old_connections, connection, transaction
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from tests.backends import acquire_fill_lock
from tests.counting import counts
from tests.usercache.conftest import MakeUser
from tests.users import User
from usercache.backends.base import new_fill_lock, new_token
from usercache.events import FILLS
from usercache.keys import record_key
from usercache.management.inspection import inspect_user
from usercache.orm import loading
from usercache.runtime import get_store
from usercache.users import get_user_by_email, get_user_by_id, get_users_by_ids

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

NEW_NAME: Final = "Alicia"
TTL_MS: Final = 60_000


class MadeUpError(Exception):
    """What a view fails with."""


def read(request: HttpRequest, pk: str) -> JsonResponse:
    """Show a user's name."""
    assert connection.in_atomic_block
    found = get_user_by_id(pk)
    return JsonResponse({"name": found and found.first_name})


def read_by_email(request: HttpRequest, email: str) -> JsonResponse:
    """Likewise, found by another column."""
    found = get_user_by_email(email)
    return JsonResponse({"name": found and found.first_name})


def read_all(request: HttpRequest) -> JsonResponse:
    """Show the names of all users."""
    pks = list(User.objects.order_by("pk").values_list("pk", flat=True))
    return JsonResponse({"names": [user.first_name for user in get_users_by_ids(pks).values()]})


def rename(request: HttpRequest, pk: str) -> JsonResponse:
    """Read, write, and read again; fail if the query says so."""
    before = get_user_by_id(pk)
    User.objects.filter(pk=pk).update(first_name=NEW_NAME)
    after = get_user_by_id(pk)
    if "fail" in request.GET:
        raise MadeUpError
    assert before is not None
    assert after is not None
    return JsonResponse({"before": before.first_name, "after": after.first_name})


def rename_in_vain(request: HttpRequest, pk: str) -> JsonResponse:
    """Write inside a savepoint that is rolled back, and read in it and after it."""
    names = list[str]()
    try:
        with transaction.atomic():
            User.objects.filter(pk=pk).update(first_name=NEW_NAME)
            names.append(getattr(get_user_by_id(pk), "first_name", ""))
            raise MadeUpError
    except MadeUpError:
        names.append(getattr(get_user_by_id(pk), "first_name", ""))
    return JsonResponse({"names": names})


urlpatterns = [
    path("read/<pk>", read),
    path("email/<email>", read_by_email),
    path("all", read_all),
    path("rename/<pk>", rename),
    path("in-vain/<pk>", rename_in_vain),
]


@pytest.fixture(autouse=True)
def _requests_are_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


def get(address: str) -> Any:
    response = Client().get(address)
    assert response.status_code == 200
    return json.loads(response.content)


def queries_of(address: str) -> int:
    """Return the queries of a request, without those that begin and end its transaction."""
    with CaptureQueriesContext(connection) as queries:
        get(address)
    return sum(query["sql"].startswith("SELECT") for query in queries)


def without_pool() -> dict[str, Any]:
    """Return the database's options for connections that are the request's own."""
    return {n: value for n, value in connection.settings_dict["OPTIONS"].items() if n != "pool"}


def test_miss_is_filled_after_the_commit(alice: User) -> None:
    """By a query of its own, once: from then on no request makes any."""
    assert [queries_of(f"/read/{alice.pk}") for _ in range(3)] == [2, 0, 0]
    assert get(f"/read/{alice.pk}") == {"name": "Alice"}
    assert counts()[FILLS] == 1


def test_filling_is_no_look_up(alice: User) -> None:
    """The metrics have one look-up for each that a request made."""
    get(f"/read/{alice.pk}")
    assert counts()["misses"] == 1


def test_every_kind_of_look_up_is_filled(alice: User, bob: User) -> None:
    """By another column, of many at once, and of a user who isn't there."""
    assert [queries_of(f"/email/{alice.email}") for _ in range(2)] == [3, 0]
    assert [queries_of("/all") for _ in range(2)] == [3, 1]
    deleted = bob.pk
    bob.delete()
    assert [queries_of(f"/read/{deleted}") for _ in range(2)] == [2, 0]
    assert get(f"/read/{deleted}") == {"name": None}


def test_request_reads_its_own_write_and_others_the_commit(alice: User) -> None:
    """Uncommitted inside, committed from then on, never filled in between."""
    get(f"/read/{alice.pk}")
    assert get(f"/rename/{alice.pk}") == {"before": "Alice", "after": NEW_NAME}
    assert get(f"/read/{alice.pk}") == {"name": NEW_NAME}
    assert queries_of(f"/read/{alice.pk}") == 0


@pytest.mark.parametrize("seconds", [0, 60, None])
def test_connections_of_any_age(
    alice: User, monkeypatch: pytest.MonkeyPatch, seconds: int | None
) -> None:
    """Closed after each request, kept for a minute or for ever (CONN_MAX_AGE): all the same."""
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "CONN_MAX_AGE", seconds)
        patch.setitem(connection.settings_dict, "OPTIONS", without_pool())
        for expected in (2, 0, 0):
            close_old_connections()
            assert queries_of(f"/read/{alice.pk}") == expected
        close_old_connections()
        assert (connection.connection is None) == (seconds == 0)
        assert get(f"/rename/{alice.pk}") == {"before": "Alice", "after": NEW_NAME}
        close_old_connections()
        assert get(f"/read/{alice.pk}") == {"name": NEW_NAME}
        connection.close()


def test_request_that_fails_leaves_nothing_of_its_own(alice: User) -> None:
    """What it wrote is rolled back, and what it read then is in no cache."""
    get(f"/read/{alice.pk}")
    with pytest.raises(MadeUpError):
        get(f"/rename/{alice.pk}?fail")
    for _ in range(2):
        assert get(f"/read/{alice.pk}") == {"name": "Alice"}


def test_cold_request_that_fails_fills_nothing(alice: User) -> None:
    """Nothing is done after a rollback."""
    with pytest.raises(MadeUpError):
        get(f"/rename/{alice.pk}?fail")
    assert FILLS not in counts()
    assert inspect_user(alice.pk).record is None


def test_savepoint_that_is_rolled_back(alice: User) -> None:
    """What was read inside is forgotten with it; the request goes on with the row."""
    assert get(f"/in-vain/{alice.pk}") == {"names": [NEW_NAME, "Alice"]}
    for _ in range(2):
        assert get(f"/read/{alice.pk}") == {"name": "Alice"}


def test_fill_waits_for_no_writer(alice: User) -> None:
    """A write marker of somebody else's is left alone, without a query."""
    get_store().set_markers([record_key(alice.pk)], new_token())
    assert queries_of(f"/read/{alice.pk}") == 1
    assert inspect_user(alice.pk).state == "write marker"


def test_entry_that_cannot_be_read_is_replaced(alice: User) -> None:
    """As after a change of the columns; outside of requests a look-up does it."""
    store, key, fill_lock = get_store(), record_key(alice.pk), new_fill_lock()
    backend = store.redis or store.memory
    acquire_fill_lock(backend, key, fill_lock)
    backend.fill({key: (b"of another shape", TTL_MS)}, fill_lock)
    assert [queries_of(f"/read/{alice.pk}") for _ in range(2)] == [2, 0]


def test_database_that_fails_after_the_commit(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request has its answer; the error is counted."""
    load, calls = loading.load, list[object]()

    def fail_later(*args: Any) -> Any:
        calls.append(args)
        if len(calls) > 1:
            raise OperationalError("gone")
        return load(*args)

    monkeypatch.setattr("usercache.orm.loading.load", fail_later)
    assert get(f"/read/{alice.pk}") == {"name": "Alice"}
    assert counts()["errors_OperationalError"] == 1


def test_request_that_misses_many_fills_some(
    make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a request does after its commit is bounded."""
    monkeypatch.setattr(loading, "MOST_AFTER_COMMIT", 3)
    users = [make_user(f"user{number}") for number in range(5)]
    with transaction.atomic():
        for user in users:
            get_user_by_id(user.pk)
    assert counts()[FILLS] == 3


def test_other_transactions_fill_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where requests aren't transactions, look-ups outside of them fill."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", False)
    with transaction.atomic():
        get_user_by_id(alice.pk)
    assert FILLS not in counts()
