"""The outbox: every committed change is drained, from any client, whichever process dies."""

import datetime
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from redis import Redis

from tests.caches import lead_shared_alias
from tests.clocks import Clock
from tests.concurrency import WAIT_SECONDS
from tests.counting import CountCommands, counts
from tests.servers.redis_server import RedisServer
from tests.steering import get_guard, steer_recovery
from tests.usercache.conftest import MakeUser
from tests.usercache.orm.written import (
    Told,
    by_each_write,
    first_name,
    raw_sql,
    terminate_backend,
    waiting,
)
from tests.users import User
from usercache.backends.redis import RedisBackend
from usercache.codec import get_codec
from usercache.keys import record_key
from usercache.management.inspection import inspect_user
from usercache.management.relay import get_backlog
from usercache.models import PendingInvalidation
from usercache.orm import outbox
from usercache.orm.outbox import JOURNALS, drain
from usercache.postgresql import triggers
from usercache.runtime import get_store
from usercache.users import get_user_by_id, invalidate_all_users, invalidate_user

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

GRACE = datetime.timedelta(seconds=2)
"""What docs/caveats.md promises, and not what the code says."""
FAR_KEY = 10**9
"""Of no user that a test makes, however many were made before."""
SECOND, HOUR = datetime.timedelta(seconds=1), datetime.timedelta(hours=1)

only_with_triggers = pytest.mark.parametrize("_notes", ["triggers"], indirect=True)


@pytest.fixture(autouse=True, params=["triggers", "ORM"])
def _notes(
    request: pytest.FixtureRequest, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Have changes noted by PostgreSQL's triggers, and as on databases that have none."""
    if request.param == "triggers":
        yield
        return
    monkeypatch.delitem(JOURNALS, connection.vendor)
    raw_sql("ALTER TABLE {users} DISABLE TRIGGER USER")
    yield
    # ENABLE would have each of them fire in the same sessions as the others.
    triggers.install(connection, get_codec())


@pytest.fixture
def own_redis(redis_server: RedisServer, settings: Settings) -> RedisServer:
    """Let the shared alias lead to a Redis that the test may break."""
    lead_shared_alias(settings, redis_server.url)
    return redis_server


@pytest.fixture
def clock(own_redis: RedisServer) -> Clock:
    """Take the breaker's clock over, and the recovery."""
    return steer_recovery()


@pytest.mark.parametrize("in_transaction", [True, False], ids=["transaction", "autocommit"])
@by_each_write
def test_writer_takes_its_own_rows_away(
    alice: User, write: Callable[[User], object], in_transaction: bool
) -> None:
    """While Redis is reachable, a write through the ORM leaves nothing to do for others."""
    if in_transaction:
        with transaction.atomic():
            write(alice)
    else:
        write(alice)
    assert waiting() == []


def test_two_users_in_one_transaction_leave_nothing(alice: User, bob: User) -> None:
    """Each write of a transaction takes its own users' rows away."""
    with transaction.atomic():
        alice.save()
        bob.save()
        User.objects.filter(pk__in=[alice.pk, bob.pk]).delete()
    assert waiting() == []


@only_with_triggers
def test_write_costs_two_statements_and_two_round_trips(
    alice: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    count_commands: CountCommands,
) -> None:
    """To the UPDATE comes one DELETE after, and one SELECT before if an identifier may change."""
    with django_assert_num_queries(3):
        alice.save()
    with django_assert_num_queries(2):
        alice.save(update_fields=["first_name"])
    with count_commands() as commands:
        alice.save()
    assert commands["eval"] == 2


@only_with_triggers
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {users} SET first_name = 'Alicia' WHERE id = %s",
        "UPDATE {users} SET is_active = false WHERE id = %s",
        "UPDATE {users} SET email = 'al@example.com' WHERE id = %s",
        "UPDATE {users} SET token_version = token_version + 1 WHERE id = %s",
        "DELETE FROM {users} WHERE id = %s",
    ],
)
def test_raw_sql_leaves_a_row(alice: User, statement: str) -> None:
    """A change of a cached column past the ORM waits in the outbox once it is committed."""
    raw_sql(statement, alice.pk)
    assert waiting() == [str(alice.pk)]


@only_with_triggers
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {users} SET last_login = now() WHERE id = %s",
        "UPDATE {users} SET first_name = first_name WHERE id = %s",
    ],
)
def test_what_changes_no_cached_column_leaves_no_row(alice: User, statement: str) -> None:
    """A log-in, or an update that changes nothing, isn't worth an invalidation."""
    raw_sql(statement, alice.pk)
    assert waiting() == []


@only_with_triggers
def test_rolled_back_change_leaves_no_row(alice: User) -> None:
    """What was never committed is never drained."""
    with pytest.raises(RuntimeError), transaction.atomic():
        raw_sql("UPDATE {users} SET first_name = 'x' WHERE id = %s", alice.pk)
        raise RuntimeError
    assert waiting() == []


@only_with_triggers
def test_raw_sql_after_an_autocommit_write_is_nobody_s(alice: User, bob: User) -> None:
    """The label of a write that has ended isn't put on what the connection does later."""
    alice.save()
    raw_sql("UPDATE {users} SET first_name = 'x' WHERE id = %s", bob.pk)
    assert list(PendingInvalidation.objects.values_list("write_label", flat=True)) == [""]


@only_with_triggers
def test_drained_raw_sql_is_seen(alice: User) -> None:
    """Once drained, the change is served and its row is gone."""
    first_name(alice)
    raw_sql("UPDATE {users} SET first_name = 'Alicia' WHERE id = %s", alice.pk)
    assert drain(get_store(), overdue_only=True) == 1
    assert first_name(alice) == "Alicia"
    assert waiting() == []


def test_writer_s_rows_are_left_to_it_for_a_while(alice: User) -> None:
    """The relay doesn't race each writer; it takes over from one that died."""
    PendingInvalidation.objects.create(user_id=str(alice.pk), write_label="some label")
    assert drain(get_store(), overdue_only=True) == 0
    PendingInvalidation.objects.update(
        created_at=PendingInvalidation.objects.get().created_at - GRACE
    )
    assert drain(get_store(), overdue_only=True) == 1


def test_marker_survives_being_drained(alice: User) -> None:
    """Carrying a row out while its writer is at work doesn't open the key."""
    with transaction.atomic():
        alice.save()
        get_store().invalidate([f"user:id:{alice.pk}"])
        assert inspect_user(alice.pk).state == "write marker"


@by_each_write
def test_write_while_redis_is_away_is_drained_before_it_is_used_again(
    alice: User, own_redis: RedisServer, clock: Clock, write: Callable[[User], object]
) -> None:
    """Redis comes back with the old record in it, and nobody is ever served it."""
    first_name(alice)
    pk = alice.pk
    own_redis.pause()
    alice.first_name = "x"
    with transaction.atomic():
        write(alice)
        assert waiting() == [str(pk)]  # the writer may be killed right after its commit
    assert waiting() == [str(pk)]
    own_redis.resume()
    get_guard().attend()
    found = get_user_by_id(pk)
    assert found is None or found.first_name == "x"
    assert inspect_user(pk).backend == "redis"
    assert waiting() == []


def test_write_during_recovery_is_heard(
    alice: User, own_redis: RedisServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that commits right after the outbox was drained reaches Redis by itself."""
    first_name(alice)
    own_redis.pause()
    User.objects.filter(pk=alice.pk).update(first_name="first")
    own_redis.resume()
    drained = outbox.drain

    def write_right_after(*args: object, **kwargs: object) -> int:
        done = drained(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        User.objects.filter(pk=alice.pk).update(first_name="second")
        return done

    monkeypatch.setattr(outbox, "drain", write_right_after)
    get_guard().attend()
    assert first_name(alice) == "second"
    assert get_guard().breaker.is_closed
    assert waiting() == []


def test_row_written_ahead_may_be_drained_too_early(
    alice: User, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a transaction the row is there before the change, and so is noted again."""
    own_redis.pause()
    do_update = User._do_update

    def drain_first(*args: Any, **kwargs: Any) -> bool:
        PendingInvalidation.objects.all().delete()
        return bool(do_update(*args, **kwargs))

    monkeypatch.setattr(User, "_do_update", drain_first)
    alice.save()
    assert waiting() == [str(alice.pk)]


@pytest.mark.parametrize(
    "act",
    [
        lambda user: invalidate_user(user.pk, email=user.email),
        lambda _user: invalidate_all_users(),
    ],
    ids=["one user", "all users"],
)
def test_invalidation_by_hand_is_remembered(
    alice: User, own_redis: RedisServer, clock: Clock, act: Callable[[User], object]
) -> None:
    """An invalidation asked for while Redis was away is done when it is back."""
    first_name(alice)
    own_redis.pause()
    act(alice)
    assert len(waiting()) == 1
    own_redis.resume()
    get_guard().attend()
    first_name(alice)
    assert waiting() == []
    # A write marker, where Redis went on with what it had been told before it hung.
    assert inspect_user(alice.pk)[:2] in [("redis", "record"), ("redis", "write marker")]


def test_rows_stay_until_redis_confirmed(alice: User, own_redis: RedisServer) -> None:
    """Carrying out against a Redis that fails loses nothing."""
    outbox.enqueue("default", [alice.pk])
    own_redis.kill()
    assert drain(get_store(), overdue_only=False) == 0
    assert waiting() == [str(alice.pk)]


def test_who_is_about_to_trust_redis_waits_for_nobody(alice: User) -> None:
    """It tells Redis of rows in another's hands, too, and leaves them there; a relay doesn't."""
    outbox.enqueue("default", [alice.pk])
    in_hand, let_go = threading.Event(), threading.Event()
    target = Told()

    class Slow(Told):
        def invalidate(self, keys: Sequence[str]) -> bool:
            in_hand.set()
            return let_go.wait(WAIT_SECONDS)

    def relay() -> int:
        try:
            return outbox.drain(Slow(), overdue_only=True)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        frozen = pool.submit(relay)
        assert in_hand.wait(WAIT_SECONDS)
        try:
            assert outbox.drain(target, overdue_only=True) == 0
            assert target.told == []
            assert outbox.drain(target, overdue_only=False) == 0
            assert target.told == [[f"user:id:{alice.pk}"]]
            assert waiting() == [str(alice.pk)]
        finally:
            let_go.set()
        assert frozen.result(WAIT_SECONDS) == 1
    assert waiting() == []


def test_poisoned_rows_stop_nobody(alice: User, redis_client: Redis) -> None:
    """Rows of no possible user, and a key of a foreign type, don't keep the others waiting."""
    first_name(alice)
    for user_id in ("", "no-such-id", "\U0001f980", "x" * 255, "9" * 100):
        outbox.enqueue("default", [user_id])
    outbox.enqueue("default", [alice.pk + 1, alice.pk])
    redis_client.rpush(f"hmb:1:user:id:{alice.pk + 1}", "foreign")
    assert drain(get_store(), overdue_only=False) == 7
    assert waiting() == []
    assert inspect_user(alice.pk).state == "nothing"


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_everybody_is_invalidated_at_once(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, is_confirmed: bool
) -> None:
    """Beside it, other rows say nothing new; all of them stay until it is confirmed."""
    first_name(alice)
    outbox.enqueue("default", [bob.pk, outbox.EVERYBODY])
    with monkeypatch.context() as patched:
        if not is_confirmed:
            patched.setattr(get_store(), "invalidate_all", lambda: False)
        assert drain(get_store(), overdue_only=True) == (2 if is_confirmed else 0)
    assert len(waiting()) == (0 if is_confirmed else 2)
    assert inspect_user(alice.pk).state == ("nothing" if is_confirmed else "record")


def test_row_of_an_extension_s_record(alice: User) -> None:
    """It names the record under its key, and any user whose primary key looks like it."""
    told = list[str]()
    outbox.enqueue("default", ["user:ext:grants:a b", alice.pk])
    target = SimpleNamespace(invalidate=told.extend)
    assert drain(target, overdue_only=False) == 2
    assert set(told) - {record_key("user:ext:grants:a b")} == {
        record_key(alice.pk),
        "user:ext:grants:a%20b",
    }


def test_more_rows_than_a_batch(alice: User) -> None:
    """A long outage's rows are drained in batches, all of them."""
    outbox.enqueue("default", range(1, 2 * outbox.ROWS_AT_ONCE + 2))
    assert drain(get_store(), overdue_only=False) == 2 * outbox.ROWS_AT_ONCE + 1


def test_single_changes_go_first(alice: User) -> None:
    """What one statement did to many users keeps no single change waiting behind it."""
    PendingInvalidation.objects.bulk_create(
        PendingInvalidation(user_id=str(number), is_bulk=True)
        for number in range(FAR_KEY, FAR_KEY + 1 + outbox.ROWS_AT_ONCE)
    )
    outbox.enqueue("default", [alice.pk])
    target = Told()
    assert outbox.drain(target, overdue_only=True) == outbox.ROWS_AT_ONCE + 2
    assert f"user:id:{alice.pk}" in target.told[0]
    assert [len(keys) for keys in target.told] == [outbox.ROWS_AT_ONCE, 2]


@only_with_triggers
def test_many_changed_by_raw_sql_wait_for_one(alice: User, make_user: MakeUser) -> None:
    """A deactivation committed after a large raw UPDATE is drained before its last rows."""
    User.objects.bulk_create(
        User(email=f"u{number}@example.com", password="!")
        for number in range(outbox.ROWS_AT_ONCE + 1)
    )
    raw_sql("UPDATE {users} SET location = 'Nassau' WHERE id <> %s", alice.pk)
    raw_sql("UPDATE {users} SET is_active = false WHERE id = %s", alice.pk)
    target = Told()
    assert outbox.drain(target, overdue_only=True) == outbox.ROWS_AT_ONCE + 2
    assert f"user:id:{alice.pk}" in target.told[0]
    assert waiting() == []


def test_failed_invalidation_leaves_a_row(
    alice: User, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Redis took the write marker and died before it came down, the row says so."""
    lower = RedisBackend.clear_markers

    def die_first(backend: RedisBackend, *args: object) -> None:
        own_redis.stop()
        lower(backend, *args)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(RedisBackend, "clear_markers", die_first)
    alice.save()
    assert waiting() == [str(alice.pk)]


@pytest.mark.own_session
@only_with_triggers
def test_connection_lost_right_after_the_commit_is_nobody_s(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer was told of success, and his next query gets a connection that works."""
    lower = RedisBackend.clear_markers

    def lose_connection_first(backend: RedisBackend, *args: object) -> None:
        pid = connection.connection.info.backend_pid
        with ThreadPoolExecutor() as elsewhere:
            elsewhere.submit(terminate_backend, pid).result()
        lower(backend, *args)  # type: ignore[arg-type]  # passed on as they came

    with monkeypatch.context() as patched:
        patched.setattr(RedisBackend, "clear_markers", lose_connection_first)
        alice.save()
    assert waiting() == [str(alice.pk)]  # a row too many, which does no harm
    assert counts()["errors_OperationalError"] == 1


def test_backlog(alice: User, make_user: MakeUser) -> None:
    """How many wait and how long the oldest has, for everybody who reports it."""
    assert get_backlog() == (0, 0.0)
    outbox.enqueue("default", [alice.pk])
    backlog = get_backlog()
    assert backlog.waiting == 1
    assert backlog.oldest_seconds >= 0
    PendingInvalidation.objects.update(created_at=timezone.now() - 2 * HOUR)
    outbox.enqueue("default", [alice.pk])
    assert HOUR < get_backlog().oldest_seconds * SECOND < 3 * HOUR
    PendingInvalidation.objects.update(created_at=timezone.now() + HOUR)
    assert get_backlog() == (2, 0.0)  # of a clock ahead


def test_rows_of_the_dead_are_drained_before_redis_is_used(alice: User) -> None:
    """A writer that died may have left its own a moment ago; the first row there ever was, too."""
    PendingInvalidation.objects.create(pk=1, user_id=str(alice.pk), write_label="some label")
    first_name(alice)
    get_store().recover(get_guard().backend)
    assert waiting() == []
    assert inspect_user(alice.pk).state == "nothing"
