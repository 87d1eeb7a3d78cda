"""The relay: what nobody announced is seen all the same, and the relay comes and goes cleanly."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from tests.processes import ANSWER_SECONDS, environment
from tests.servers.redis_server import RedisServer
from tests.users import User
from tests.waiting import wait_until
from usercache.management.relay import LONGEST_PAUSE_SECONDS, Relay
from usercache.models import PendingInvalidation
from usercache.orm import outbox
from usercache.orm.outbox import journal_of
from usercache.users import get_user_by_id

pytestmark = [
    pytest.mark.redis,
    pytest.mark.django_db(transaction=True, databases="__all__"),  # it may listen on another alias
]

BATCHES = 3
"""One for each relay of a test."""


@contextmanager
def relay(*arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "cache_relay", *arguments],
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "Relaying" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def set_first_name(user: User, name: str) -> None:
    table = connection.ops.quote_name(User._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET first_name = %s WHERE id = %s", [name, user.pk])


def is_called(user: User, first_name: str) -> bool:
    found = get_user_by_id(user.pk)
    assert found is not None
    return found.first_name == first_name


def is_empty() -> bool:
    return not PendingInvalidation.objects.exists()


@pytest.mark.postgresql
@pytest.mark.parametrize("poll", ["0.5", "60"], ids=["polling too", "by notification alone"])
def test_raw_sql_is_seen(alice: User, poll: str) -> None:
    """A change in psql is served soon after its commit, even if the relay hardly ever looks."""
    with relay("--poll", poll):
        for number in range(10):
            set_first_name(alice, f"Alice {number}")
            wait_until(partial(is_called, alice, f"Alice {number}"), "the new name is served")
        # The last name may have been served by way of the row before.
        wait_until(is_empty, "the outbox is empty")


def test_rows_of_the_dead_are_found_by_looking(alice: User) -> None:
    """Where no notification comes, the next look finds what waits."""
    with relay("--poll", "0.05"):
        outbox.enqueue("default", [alice.pk])
        wait_until(is_empty, "the outbox is empty")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly(number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C end the relay with a sentence, and without a traceback."""
    with relay() as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=ANSWER_SECONDS)
        assert process.returncode == 0
        assert out == "Ended after 0 invalidations.\n"
        assert "Traceback" not in err


@pytest.mark.postgresql
def test_several_relays_share_the_work(alice: User) -> None:
    """Of three relays each row is drained, and none is in the others' way."""
    with relay() as first, relay() as second, relay() as third:
        outbox.enqueue("default", range(1, BATCHES * outbox.ROWS_AT_ONCE))
        wait_until(is_empty, "the outbox is empty")
        done = 0
        for process in (first, second, third):
            process.send_signal(signal.SIGTERM)
            done += int(process.communicate(timeout=ANSWER_SECONDS)[0].split()[2])
    assert done == BATCHES * outbox.ROWS_AT_ONCE - 1


def test_redis_away_leaves_the_rows(alice: User, redis_server: RedisServer) -> None:
    """Without Redis the relay waits, and carries everything out once it is back."""
    redis_server.kill()
    with relay("--poll", "0.05", REDIS_URL=redis_server.url) as process:
        outbox.enqueue("default", [alice.pk])
        assert process.stderr is not None
        assert "Redis failed" in process.stderr.readline()
        assert not is_empty()
        redis_server.start()
        wait_until(is_empty, "the outbox is empty")


@pytest.mark.parametrize("poll", ["0", "-1", "nan", "61", "soon", ""])
def test_impossible_poll_is_refused(poll: str) -> None:
    """A pause that makes no sense is an error that names the argument."""
    with pytest.raises(CommandError, match="--poll"):
        call_command("cache_relay", f"--poll={poll}")


class Pauses(threading.Event):
    """Take no time, and remember how long each pause would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = list[float | None]()

    def wait(self, timeout: float | None = None) -> bool:
        self.taken.append(timeout)
        return self.is_set()


def test_pauses_grow_while_the_database_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away is asked less and less often; once it answers, as often as before."""
    own, pauses = Relay(0.5), Pauses()
    own._stopped = pauses
    answers = iter([None] * 5 + [3, None, 4])

    def answer(_target: object, *, overdue_only: bool) -> int:
        assert overdue_only
        done = next(answers)
        if done is None:
            raise OperationalError
        if done == 4:
            own.stop()
        return done

    monkeypatch.setattr("usercache.orm.outbox.drain", answer)
    monkeypatch.setattr(type(journal_of(connection)), "wait", lambda *_: None)
    assert own.run() == 7
    assert pauses.taken == [0.5, 1.0, 2.0, 4.0, LONGEST_PAUSE_SECONDS, 0.5]


@pytest.mark.postgresql
@pytest.mark.own_session  # for LISTEN
@pytest.mark.parametrize("fails", [False, True], ids=["ends", "fails"])
def test_it_leaves_no_session_listening(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """A pool hands its session to others, where notifications would pile up."""
    own, listening = Relay(0.5), list[str]()

    def look(_target: object, *, overdue_only: bool) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_listening_channels()")
            listening.extend(channel for (channel,) in cursor.fetchall())
        own.stop()
        if fails:
            raise OperationalError
        return 0

    executed = list[str]()

    def note(execute: Any, statement: str, *rest: Any) -> Any:
        executed.append(statement)
        return execute(statement, *rest)

    monkeypatch.setattr("usercache.orm.outbox.drain", look)
    with connection.execute_wrapper(note):
        own.run()
    assert listening == ["usercache"]
    assert executed[-1] == "UNLISTEN usercache"


@pytest.mark.postgresql
def test_it_listens_again_on_a_new_connection(alice: User) -> None:
    """After its connection was cut, the relay hears notifications as before."""
    with relay("--poll", "60"):
        set_first_name(alice, "before")
        wait_until(partial(is_called, alice, "before"), "the new name is served")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        wait_until(_is_listened_to, "somebody listens again")
        set_first_name(alice, "after")
        wait_until(partial(is_called, alice, "after"), "the new name is served")


def _is_listened_to() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND state = 'idle' "
            "AND (query LIKE 'LISTEN%' OR query LIKE 'COMMIT%')"
        )
        return cursor.fetchone() is not None
