"""What a database itself adds to the outbox: nothing, unless a journal is registered for its kind.

Note [The journal]
------------------
Where every change by any client is noted by the database, as by `usercache.postgresql`, the ORM
needs to add no rows. A write then gets a label, which its statements carry into their rows, and
deletes these once Redis has confirmed. Elsewhere the ORM adds rows itself, of its own writes alone.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper


class ExtensionTable(NamedTuple):
    """A table, besides the users', whose changes invalidate an extension's records."""

    name: str
    record: str
    """What rows of the outbox begin with: `user:ext:group:`."""
    column: str
    """Its value ends what the row of the outbox names; "" if any change is one of one record."""


EXTENSION_TABLES: Final[dict[str, Callable[[], Iterable[ExtensionTable]]]] = {}
"""Each names tables; filled by extensions in `AppConfig.ready()`, by the app's name."""


def extension_tables() -> list[ExtensionTable]:
    """Return the tables that extensions want watched."""
    return [table for tables in EXTENSION_TABLES.values() for table in tables()]


class Label(str):
    """On the rows that a write's statements add; "" if anyone may drain them."""

    is_shared = False
    """Whether several writes had it at the same time."""


class Journal:
    """What one connection's database notes by itself; this one notes nothing."""

    notes_changes = False
    """Whether each change of a cached column adds a row."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        """Read and write over this connection."""
        self.connection = connection

    def begin(self, write: object, *, is_heard: bool) -> Label | None:
        """Label the statements from now on as this write's, and return the label.

        `is_heard` tells whether Redis took its write markers. Returns "" where anyone may drain the
        rows, None where there are none.
        """

    def end(self, write: object) -> None:
        """Stop labelling for this write."""

    def acknowledge(self, label: Label, user_ids: Sequence[str]) -> None:
        """Have the rows of these users with this label deleted: Redis has confirmed them."""

    def listen(self) -> None:
        """Have `wait()` return as soon as a row is added that anyone may drain."""

    def unlisten(self) -> None:
        """Undo `listen()`."""

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        """Wait for such a row, up to so long."""
        stopped.wait(seconds)

    def why_unreported(self) -> str:
        """Return why no process can hear of changes while it doesn't use Redis; "" if it can."""
        return "only PostgreSQL reports changes"

    def remove(self) -> None:
        """Note no more changes, before the outbox is dropped."""


JOURNALS: Final[dict[str, type[Journal]]] = {}
"""Those that note changes, by the vendor of their databases."""


def journal_of(connection: BaseDatabaseWrapper) -> Journal:
    """Return the journal of a connection's database."""
    return JOURNALS.get(connection.vendor, Journal)(connection)
