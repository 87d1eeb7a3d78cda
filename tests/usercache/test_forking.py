"""A fork after use: parent and child go on, each with what is its own."""

import pytest

from tests.processes import ANSWER_SECONDS, python
from tests.users import User

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

FORK = """
import gc, os, sys, threading
from django.db import connection, connections
from usercache.runtime import await_verdict, get_store
from usercache.users import (get_user_by_id)

def ask_database():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

def ask_redis():
    return get_store().redis.backend.client.client_id()

def look_up():
    get_store().invalidate([f"user:id:{pk}"])
    return get_user_by_id(pk).pk == pk and get_user_by_id(pk).pk == pk

pk = int(input())
await_verdict(30)
assert look_up()
before, threads = (ask_database(), ask_redis()), {t.name for t in threading.enumerate()}
child = os.fork()
if not child:
    assert threading.active_count() == 1
    await_verdict(30)
    own = ask_database(), ask_redis()
    answers = [look_up() for _ in range(20)]
    if set(own) & set(before) or not all(answers) or not get_store().redis.breaker.is_closed:
        os._exit(1)
    if not {"usercache-recovery", "usercache-metrics"} <= {t.name for t in threading.enumerate()}:
        os._exit(2)
    connections.close_all()
    gc.collect()
    sys.exit(0)
answers = [look_up() for _ in range(20)]
_, status = os.waitpid(child, 0)
answers += [look_up() for _ in range(20)]
same = ask_database() == before[0]
connections.close_all()
connection.ensure_connection()
alive = {t.name for t in threading.enumerate()}
print(os.waitstatus_to_exitcode(status), all(answers), same, threads <= alive, flush=True)
"""


def test_parent_and_child_go_on(alice: User) -> None:
    """Neither gets the other's answers, sockets or threads, and the child's end is its own."""
    with python(FORK, USERCACHE_REDIS_TIMEOUT_SECONDS="30") as process:
        said, _ = process.communicate(f"{alice.pk}\n", timeout=ANSWER_SECONDS)
    assert said.split() == ["0", "True", "True", "True"]
