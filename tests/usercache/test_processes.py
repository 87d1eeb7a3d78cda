"""Several processes on one Redis and one PostgreSQL: stampedes, other's writes, a kill -9."""

import signal
from contextlib import ExitStack

import pytest
from django.db import transaction

from tests.processes import ANSWER_SECONDS, python
from tests.users import User
from usercache.management.inspection import inspect_user
from usercache.users import get_user_by_id

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

PROCESSES, THREADS = 4, 125

# So that a slow machine can't turn waiting into loading: what is tested is who asks, not when.
PATIENT = {
    "USERCACHE_FILL_LOCK_WAIT_SECONDS": "50",
    "USERCACHE_FILL_LOCK_TTL_SECONDS": "60",
    "USERCACHE_REDIS_TIMEOUT_SECONDS": "30",
    # Three more than look-ups: the recovery, the metrics, the listener.
    "USERCACHE_REDIS_MAX_CONNECTIONS": str(THREADS + 3),
}

STAMPEDE = f"""
import threading
from django.db import connection, connections
from usercache.runtime import await_verdict
from usercache.users import (get_user_by_id)

await_verdict(30)
pk, queries, found, lock = int(input()), 0, 0, threading.Lock()
start = threading.Barrier({THREADS} + 1)

def count(execute, *args):
    global queries
    with lock:
        queries += 1
    return execute(*args)

def look_up():
    global found
    with connection.execute_wrapper(count):
        start.wait()
        user = get_user_by_id(pk)
    connections.close_all()
    with lock:
        found += user is not None and user.pk == pk

threads = [threading.Thread(target=look_up) for _ in range({THREADS})]
for thread in threads:
    thread.start()
print("ready", flush=True)
input()
start.wait()
for thread in threads:
    thread.join()
print(queries, found, flush=True)
"""

READ = """
from usercache.users import (get_user_by_id, get_user_by_email)
while True:
    user = get_user_by_id(int(input()))
    print(user and user.first_name, flush=True)
"""

DIE_BEFORE_INVALIDATION = """
import os, signal
from django.db import transaction
from tests.users import User
from usercache.lookup import Store

Store.clear_markers = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
with transaction.atomic():
    user = User.objects.select_for_update().get(pk=int(input()))
    user.first_name = "Alicia"
    user.save()
"""


def test_500_cold_look_ups_from_4_processes_make_one_query(alice: User) -> None:
    """However many miss at once, the database is asked once, and everybody gets the user."""
    with ExitStack() as stack:
        crowd = [stack.enter_context(python(STAMPEDE, **PATIENT)) for _ in range(PROCESSES)]
        for process in crowd:
            assert process.stdin is not None
            assert process.stdout is not None
            print(alice.pk, file=process.stdin, flush=True)
            assert process.stdout.readline() == "ready\n"
        for process in crowd:
            print("go", file=process.stdin, flush=True)
        answers = [process.communicate(timeout=ANSWER_SECONDS)[0].split() for process in crowd]
    assert sum(int(queries) for queries, _ in answers) == 1
    assert sum(int(found) for _, found in answers) == PROCESSES * THREADS


def test_write_is_seen_in_another_process(alice: User) -> None:
    """A warm process shows each of another's commits on its next look-up."""
    pk = alice.pk
    with python(READ) as reader:

        def read() -> str:
            print(pk, file=reader.stdin, flush=True)
            assert reader.stdout is not None
            return reader.stdout.readline().strip()

        assert read() == "Alice"
        for number in range(20):
            with transaction.atomic():
                alice.first_name = f"Alice {number}"
                alice.save()
                assert read() != alice.first_name
            assert read() == alice.first_name
        alice.delete()
        assert read() == "None"


def test_process_killed_between_commit_and_invalidation(alice: User) -> None:
    """Its write marker stays behind, and keeps everybody on the row it committed."""
    get_user_by_id(alice.pk)
    with python(DIE_BEFORE_INVALIDATION) as writer:
        writer.communicate(f"{alice.pk}\n", timeout=ANSWER_SECONDS)
        assert writer.returncode == -signal.SIGKILL
    assert inspect_user(alice.pk).state == "write marker"
    user = get_user_by_id(alice.pk)
    assert user is not None
    assert user.first_name == "Alicia"
