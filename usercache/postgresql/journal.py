"""The journal of a PostgreSQL database, and its one door: `connect()`."""

import threading
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db import connections
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django.db.models.signals import post_migrate

from usercache.codec import get_codec
from usercache.orm.outbox import JOURNALS, Journal, Label, get_alias
from usercache.postgresql import forks, notifications, triggers
from usercache.postgresql.acknowledging import ACKNOWLEDGEMENTS, delete_rows
from usercache.postgresql.checks import check_notifications, check_triggers
from usercache.postgresql.labels import labels_of
from usercache.runtime import RUNTIME

VENDOR = "postgresql"


class TriggerJournal(Journal):
    """Note each change by triggers, and tell the relay by NOTIFY. See Note [Triggers]."""

    notes_changes = True
    _is_notified = False

    def begin(self, write: object, *, is_heard: bool) -> Label:
        """Label the statements from now on as this write's. See Note [Labels]."""
        return labels_of(self.connection).begin(write, is_heard=is_heard)

    def end(self, write: object) -> None:
        """Stop labelling for this write."""
        labels_of(self.connection).end(write)

    def acknowledge(self, label: Label, user_ids: Sequence[str]) -> None:
        """Have the rows of these users with this label deleted. See Note [Acknowledgements]."""
        # In the background where that commits, and where no other write has the label.
        connection = self.connection
        if (
            label.is_shared
            or not connection.settings_dict["AUTOCOMMIT"]
            or not ACKNOWLEDGEMENTS.take(connection.alias, label, user_ids)
        ):
            delete_rows(connection, [label] * len(user_ids), user_ids)

    def listen(self) -> None:
        """Have `wait()` return at a notification, where these arrive."""
        self._is_notified = notifications.listen(self.connection)

    def unlisten(self) -> None:
        """Undo `listen()`."""
        if self._is_notified:
            notifications.unlisten(self.connection)

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        """Wait for a notification, up to so long."""
        if self._is_notified:
            notifications.wait(self.connection, seconds)
        else:
            super().wait(seconds, stopped)

    def why_unreported(self) -> str:
        """Return why a process can't hear of changes, found out by trying; "" if it can."""
        if not is_psycopg3:
            return "psycopg 3 isn't installed"
        from usercache.postgresql import listening  # noqa: PLC0415

        try:
            listening.connect().close()
        except listening.NotReportedError as error:
            return str(error)
        return ""

    def remove(self) -> None:
        """Drop triggers and functions."""
        triggers.remove(self.connection)


def connect(config: AppConfig) -> None:
    """Have PostgreSQL databases note changes; called from `AppConfig.ready()`."""
    JOURNALS[VENDOR] = TriggerJournal
    post_migrate.connect(install_triggers, sender=config)
    register(check_triggers, Tags.database)
    register(check_notifications, Tags.database)
    RUNTIME.extend(ACKNOWLEDGEMENTS.extend)
    forks.guard()
    if is_psycopg3:
        from usercache.postgresql.listening import extend  # noqa: PLC0415

        RUNTIME.extend(extend)


def install_triggers(*, using: str, **_kwargs: Any) -> None:
    """Install the triggers on the user table, once both tables exist."""
    connection, codec = connections[using], get_codec()
    if using == get_alias() and triggers.can_be_installed(connection, codec):
        triggers.install(connection, codec)
