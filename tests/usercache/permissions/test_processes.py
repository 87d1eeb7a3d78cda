"""Another process answers from what was committed here, by the ORM and past it."""

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, connections, transaction

from tests.processes import python
from tests.usercache.permissions.conftest import APP_LABEL, Parish
from tests.waiting import wait_until
from usercache.management.relay import Relay

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

READ = f"""
from usercache.runtime import await_verdict
from usercache.users import get_user_by_id
await_verdict(30)
while True:
    user = get_user_by_id(int(input()))
    print(",".join(sorted(p for p in user.get_all_permissions() if p.startswith("{APP_LABEL}"))),
          flush=True)
"""
POLL_SECONDS = 0.5


@pytest.fixture
def ask(parish: Parish) -> Iterator[Callable[[], set[str]]]:
    """Give what another process, with a client-side cache, says Alice may do."""
    with python(READ, USERCACHE_L1_MAX_ENTRIES="100") as reader:

        def ask() -> set[str]:
            print(parish.alice.pk, file=reader.stdin, flush=True)
            assert reader.stdout is not None
            answer = reader.stdout.readline().strip()
            return {name.removeprefix(f"{APP_LABEL}.") for name in answer.split(",")}

        yield ask


@pytest.fixture
def relay() -> Iterator[None]:
    """Relay what is noted, on a thread of this process."""
    relay = Relay(POLL_SECONDS)
    thread = threading.Thread(target=relay.run)
    thread.start()
    yield
    relay.stop()
    thread.join()
    connections.close_all()


def test_write_is_seen_in_another_process(parish: Parish, ask: Callable[[], set[str]]) -> None:
    """Its next answer is that of the commit, and none is that of an open transaction."""
    assert ask() == {"read", "lend", "mend"}
    for _ in range(10):
        with transaction.atomic():
            parish.staff.permissions.remove(parish.lend)
            parish.alice.groups.add(parish.editors)
            assert ask() == {"read", "lend", "mend"}
        assert ask() == {"read", "write", "mend"}
        with transaction.atomic():
            parish.staff.permissions.add(parish.lend)
            parish.alice.groups.remove(parish.editors)
        assert ask() == {"read", "lend", "mend"}
    parish.staff.delete()
    assert ask() == {"mend"}


@pytest.mark.usefixtures("relay")
def test_raw_sql_is_seen_in_another_process(parish: Parish, ask: Callable[[], set[str]]) -> None:
    """A change in psql is answered by soon after its commit."""
    assert ask() == {"read", "lend", "mend"}
    for statement, expected in (
        (f"DELETE FROM auth_group_permissions WHERE permission_id = {parish.lend.pk}", {"read"}),
        (f"UPDATE auth_permission SET codename = 'see' WHERE id = {parish.read.pk}", {"see"}),
        (f"DELETE FROM users_groups WHERE user_id = {parish.alice.pk}", set()),
    ):
        with connection.cursor() as cursor:
            cursor.execute(statement)
        wait_until(lambda expected=expected: ask() == {"mend", *expected}, statement)  # type: ignore[misc]
