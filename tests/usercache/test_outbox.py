"""The outbox: every committed change is carried out, whoever made it and whoever died."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from redis import Redis

from accounts.models import User
from tests.caches import lead_shared_alias
from tests.concurrency import PATIENCE_SECONDS, wait_for_lock_waiters
from tests.servers.redis_server import RedisServer
from tests.usercache.clocks import Clock
from tests.usercache.conftest import CountCommands, MakeUser
from usercache import outbox
from usercache.models import PendingInvalidation
from usercache.process import PROCESS, carry_out, get_store
from usercache.shared import SharedTier
from usercache.users import get_user_by_id, inspect_user, invalidate_all_users, invalidate_user

pytestmark = [
    pytest.mark.redis,
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
]

only_with_triggers = pytest.mark.parametrize("_notes", ["triggers"], indirect=True)


@pytest.fixture(autouse=True, params=["triggers", "ORM"])
def _notes(
    request: pytest.FixtureRequest, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Have changes noted by PostgreSQL's triggers, and as on databases that have none."""
    if request.param == "triggers":
        yield
        return
    monkeypatch.setattr("usercache.triggers.has_triggers", lambda _connection: False)
    raw_sql("ALTER TABLE {users} DISABLE TRIGGER USER")
    yield
    raw_sql("ALTER TABLE {users} ENABLE TRIGGER USER")


@pytest.fixture
def own_redis(redis_server: RedisServer, settings: Settings) -> RedisServer:
    """Let the shared alias lead to a Redis that the test may break."""
    lead_shared_alias(settings, redis_server.url)
    return redis_server


@pytest.fixture
def clock(own_redis: RedisServer) -> Clock:
    """Take the breaker's clock over."""
    clock = Clock()
    shared = get_store().shared
    assert shared is not None
    shared.breaker._clock = clock
    return clock


def raw_sql(statement: str, *parameters: int) -> None:
    table = connection.ops.quote_name(User._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(statement.format(users=table), parameters)


def first_name(user: User) -> str:
    found = get_user_by_id(user.pk)
    assert found is not None
    return found.first_name


def waiting() -> list[str]:
    # Carrying out twice is as good as once, and so is noting.
    return sorted(set(PendingInvalidation.objects.values_list("user_id", flat=True)))


WRITES: dict[str, Callable[[User], object]] = {
    "save": lambda user: user.save(),
    "update": lambda user: User.objects.filter(pk=user.pk).update(first_name="x"),
    "bulk_update": lambda user: User.objects.bulk_update([user], ["first_name"]),
    "delete": lambda user: user.delete(),
    "query set delete": lambda user: User.objects.filter(pk=user.pk).delete(),
    "upsert": lambda user: User.objects.bulk_create(
        [User(email=user.email, first_name="x", password="!")],
        update_conflicts=True,
        update_fields=["first_name"],
        unique_fields=["email"],
    ),
}
by_each_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


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
    """To the UPDATE come one SELECT before and one DELETE after; to Redis, two round trips."""
    with django_assert_num_queries(3):
        alice.save()
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
    """What was never committed is never carried out."""
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
def test_carried_out_raw_sql_is_seen(alice: User) -> None:
    """Once carried out, the change is served and its row is gone."""
    first_name(alice)
    raw_sql("UPDATE {users} SET first_name = 'Alicia' WHERE id = %s", alice.pk)
    assert carry_out(overdue_only=True) == 1
    assert first_name(alice) == "Alicia"
    assert waiting() == []


def test_writer_s_rows_are_left_to_it_for_a_while(alice: User) -> None:
    """The relay doesn't race each writer; it takes over from one that died."""
    outbox.note("default", [alice.pk], "some label")
    assert carry_out(overdue_only=True) == 0
    PendingInvalidation.objects.update(
        created_at=PendingInvalidation.objects.get().created_at - outbox.WRITER_GRACE
    )
    assert carry_out(overdue_only=True) == 1


def test_barrier_survives_being_carried_out(alice: User) -> None:
    """Carrying a row out while its writer is at work doesn't open the key."""
    with transaction.atomic():
        alice.save()
        get_store().forget([f"user:id:{alice.pk}"])
        assert inspect_user(alice.pk).state == "barrier"


@by_each_write
def test_write_while_redis_is_away_is_carried_out_before_it_is_used_again(
    alice: User, own_redis: RedisServer, clock: Clock, write: Callable[[User], object]
) -> None:
    """Redis comes back with the old record in it, and nobody is ever served it."""
    first_name(alice)
    pk = alice.pk
    own_redis.pause()
    alice.first_name = "x"
    with transaction.atomic():
        write(alice)
    assert waiting() == [str(pk)]
    own_redis.resume()
    clock.now += 2
    found = get_user_by_id(pk)
    assert found is None or found.first_name == "x"
    assert inspect_user(pk).tier == "redis"
    assert waiting() == []


def test_write_during_recovery_is_heard(
    alice: User, own_redis: RedisServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that commits right after the outbox was carried out reaches Redis by itself."""
    first_name(alice)
    own_redis.pause()
    User.objects.filter(pk=alice.pk).update(first_name="first")
    own_redis.resume()
    clock.now += 2
    carried_out = outbox.carry_out

    def write_right_after(*args: object, **kwargs: object) -> int:
        done = carried_out(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        User.objects.filter(pk=alice.pk).update(first_name="second")
        return done

    monkeypatch.setattr(outbox, "carry_out", write_right_after)
    assert first_name(alice) == "second"
    shared = get_store().shared
    assert shared is not None
    assert shared.breaker.is_closed
    assert waiting() == []


def test_row_written_ahead_may_be_carried_out_too_early(
    alice: User, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a transaction the row is there before the change, and so is noted again."""
    own_redis.pause()
    do_update = User._do_update

    def carry_out_first(*args: Any, **kwargs: Any) -> bool:
        PendingInvalidation.objects.all().delete()
        return bool(do_update(*args, **kwargs))

    monkeypatch.setattr(User, "_do_update", carry_out_first)
    alice.save()
    assert waiting() == [str(alice.pk)]


def test_nobody_probes_inside_a_transaction(
    alice: User, own_redis: RedisServer, clock: Clock
) -> None:
    """What recovery does to the outbox must not hang on the fate of somebody's transaction."""
    own_redis.kill()
    alice.save()
    own_redis.start()
    clock.now += 2
    with transaction.atomic():
        assert first_name(alice) == "Alice"
        assert waiting() == [str(alice.pk)]
    assert first_name(alice) == "Alice"
    assert waiting() == []


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
    clock.now += 2
    first_name(alice)
    assert waiting() == []
    # A barrier, where Redis went on with what it had been told before it hung.
    assert inspect_user(alice.pk)[:2] in [("redis", "record"), ("redis", "barrier")]


def test_rows_stay_until_redis_confirmed(alice: User, own_redis: RedisServer) -> None:
    """Carrying out against a Redis that fails loses nothing."""
    outbox.note("default", [alice.pk])
    own_redis.kill()
    assert carry_out(overdue_only=False) == 0
    assert waiting() == [str(alice.pk)]


def test_who_is_about_to_trust_redis_waits_for_rows_in_others_hands(alice: User) -> None:
    """A row in another process's hands isn't carried out yet; the relay passes it over."""
    outbox.note("default", [alice.pk])
    in_hand, let_go = threading.Event(), threading.Event()

    def forget_slowly(_keys: Sequence[str]) -> bool:
        in_hand.set()
        return let_go.wait(PATIENCE_SECONDS)

    def carry_out_all(forget: Callable[[Sequence[str]], bool]) -> int:
        try:
            return outbox.carry_out(forget, overdue_only=False)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(carry_out_all, forget_slowly)
        assert in_hand.wait(PATIENCE_SECONDS)
        assert carry_out(overdue_only=True) == 0
        second = pool.submit(carry_out_all, lambda _keys: True)
        wait_for_lock_waiters(1)
        assert not second.done()
        let_go.set()
        assert first.result(PATIENCE_SECONDS) == 1
        assert second.result(PATIENCE_SECONDS) == 0


def test_poisoned_rows_stop_nobody(alice: User, redis_client: Redis) -> None:
    """Rows of no possible user, and a key of a foreign type, don't keep the others waiting."""
    first_name(alice)
    for user_id in ("", "no-such-id", "\U0001f980", "x" * 255, "9" * 100):
        outbox.note("default", [user_id])
    outbox.note("default", [alice.pk + 1, alice.pk])
    redis_client.rpush(f"hmb:1:user:id:{alice.pk + 1}", "foreign")
    assert carry_out(overdue_only=False) == 7
    assert waiting() == []
    assert inspect_user(alice.pk).state == "nothing"


def test_more_rows_than_a_batch(alice: User) -> None:
    """A long outage's rows are carried out in batches, all of them."""
    outbox.note("default", range(1, 2 * outbox.BATCH + 2))
    assert carry_out(overdue_only=False) == 2 * outbox.BATCH + 1


def test_process_carries_out_at_its_start(alice: User, client: Client) -> None:
    """The first request of a process finds what a dead one left, before anything is served."""
    first_name(alice)
    User.objects.filter(pk=alice.pk).update(first_name="Alicia")
    outbox.note("default", [alice.pk])
    PROCESS._has_begun = False
    client.get("/auth/verify")
    assert waiting() == []


def test_failed_invalidation_leaves_a_row(
    alice: User, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Redis took the barrier and died before it came down, the row says so."""
    lower = SharedTier.lower_barriers

    def die_first(tier: SharedTier, *args: object) -> None:
        own_redis.stop()
        lower(tier, *args)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(SharedTier, "lower_barriers", die_first)
    alice.save()
    assert waiting() == [str(alice.pk)]


@only_with_triggers
def test_connection_lost_right_after_the_commit_is_nobody_s(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer was told of success, and his next query gets a connection that works."""
    lower = SharedTier.lower_barriers

    def lose_connection_first(tier: SharedTier, *args: object) -> None:
        pid = connection.connection.info.backend_pid
        with ThreadPoolExecutor() as elsewhere:
            elsewhere.submit(terminate_backend, pid).result()
        lower(tier, *args)  # type: ignore[arg-type]  # passed on as they came

    with monkeypatch.context() as patched:
        patched.setattr(SharedTier, "lower_barriers", lose_connection_first)
        alice.save()
    assert waiting() == [str(alice.pk)]  # a row too many, which does no harm
    assert get_store().stats.peek()["errors_OperationalError"] == 1


def terminate_backend(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, %s)", [pid, PATIENCE_SECONDS * 1000])
    connection.close()


def test_backlog(alice: User, make_user: MakeUser) -> None:
    """How many wait and how long the oldest has, for everybody who reports it."""
    assert outbox.get_backlog() == (0, 0.0)
    outbox.note("default", [alice.pk])
    backlog = outbox.get_backlog()
    assert backlog.waiting == 1
    assert backlog.oldest_seconds >= 0
