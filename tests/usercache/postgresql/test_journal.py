"""The journal of a PostgreSQL database: what a write waits for."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Final

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend
from django.test.utils import isolate_apps
from environ import Env

from tests.servers.postgresql_server import PostgreSQLServer
from usercache.models import PendingInvalidation
from usercache.orm.outbox import Label, journal_of

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

ANSWER_SECONDS: Final = 60
ABSENT_STANDBY: Final = "ALTER SYSTEM SET synchronous_standby_names = 'absent'"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    """Connect to a server of this test's own, with an outbox."""
    with PostgreSQLServer(tmp_path) as server:
        configured = connections.configure_settings({"default": Env.db_url_config(server.url)})
        settings = configured["default"]
        wrapper = load_backend(settings["ENGINE"]).DatabaseWrapper(settings)
        wrapper.inc_thread_sharing()
        with isolate_apps("usercache"), wrapper.schema_editor(atomic=False) as editor:
            editor.create_model(PendingInvalidation)
        yield wrapper
        wrapper.close()


def test_acknowledgement_waits_for_no_disk(other: BaseDatabaseWrapper) -> None:
    """With a standby that never confirms, any other commit would wait for ever."""
    with other.cursor() as cursor:
        cursor.execute(
            "INSERT INTO usercache_pendinginvalidation (user_id, write_label) "
            "VALUES ('7', 'mine'), ('8', 'mine'), ('7', 'another')"
        )
        cursor.execute(ABSENT_STANDBY)
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("SELECT pg_sleep(0)")  # reads the configuration again
        arguments = (Label("mine"), ["7"])
        thread = Thread(target=journal_of(other).acknowledge, args=arguments, daemon=True)
        thread.start()
        thread.join(ANSWER_SECONDS)
        assert not thread.is_alive()
        cursor.execute("SELECT user_id, write_label FROM usercache_pendinginvalidation ORDER BY id")
        assert cursor.fetchall() == [("8", "mine"), ("7", "another")]
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
