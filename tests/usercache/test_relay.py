"""The relay: what nobody announced is seen all the same, and the relay comes and goes cleanly."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from tests.processes import ANSWER_SECONDS, environment
from tests.servers.redis_server import RedisServer
from tests.waiting import wait_until
from usercache import outbox
from usercache.models import PendingInvalidation
from usercache.users import get_user_by_id

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]


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
    assert is_empty()


def test_rows_of_the_dead_are_found_by_looking(alice: User) -> None:
    """Where no notification comes, the next look finds what waits."""
    with relay("--poll", "0.05"):
        outbox.note("default", [alice.pk])
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
    """Of three relays each row is carried out, and none is in the others' way."""
    with relay() as first, relay() as second, relay() as third:
        outbox.note("default", range(1, 5 * outbox.BATCH))
        wait_until(is_empty, "the outbox is empty")
        done = 0
        for process in (first, second, third):
            process.send_signal(signal.SIGTERM)
            done += int(process.communicate(timeout=ANSWER_SECONDS)[0].split()[2])
    assert done == 5 * outbox.BATCH - 1


def test_redis_away_leaves_the_rows(alice: User, redis_server: RedisServer) -> None:
    """Without Redis the relay waits, and carries everything out once it is back."""
    redis_server.kill()
    with relay("--poll", "0.05", REDIS_URL=redis_server.url) as process:
        outbox.note("default", [alice.pk])
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
