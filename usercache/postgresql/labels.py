"""The label of a write, carried by the statements that make it.

Note [Labels]
-------------
A statement that changes a watched table on behalf of an announced write begins with a comment,
`/* usercache=<label> */`, which PostgreSQL's triggers read from `current_query()`. So a label
needs no session state: it ends with its statement, works behind a transaction pooler, and is on no
statement of another client in the same session.

Writes overlap if one statement belongs to several (`delete()` of a query set), or if a receiver
saves one user while another is being saved. Overlapping writes share a label; each time the first
of them begins, it is a new one. A write whose statement failed ends there, and so does
the save or deletion of an instance that fails for any other reason. A query set's deletion that a
receiver fails ends with its transaction; until then its label may get on a statement that was not
announced. That only delays: a row is deleted by a write that announced this very user and had it
confirmed, and the relay drains any other row after two seconds.
"""

import secrets
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from weakref import WeakSet

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from usercache.codec import Codec, get_codec
from usercache.orm.outbox import Label, extension_tables

OPENING: Final = "/* usercache="
CLOSING: Final = " */ "
LABEL_BYTES: Final = 8
LABEL_CHARACTERS: Final = 2 * LABEL_BYTES

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]


class WatchedTable(NamedTuple):
    """A table whose changes are recorded, with its cached columns."""

    name: str
    key: str
    """The column that holds the user's key."""
    columns: tuple[str, ...]
    has_users_key: bool
    """False for a parent that has a key of its own."""


class Labels:
    """An execute wrapper of one connection; labels the statements of the writes under way."""

    def __init__(self, quote_name: Callable[[str], str]) -> None:
        """Begin without a write."""
        self._quote_name = quote_name
        self._label = Label()
        self._writes = WeakSet[object]()
        self._unheard = WeakSet[object]()
        self._openings: tuple[Codec | None, tuple[str, ...]] = (None, ())

    def begin(self, write: object, *, is_heard: bool) -> Label:
        """Label statements until the write ends, and return the label.

        Returns "" for a write that Redis did not take. While there is one, nothing is labelled: the
        relay drains the rows at once.
        """
        if not self._writes:
            self._label = Label(secrets.token_hex(LABEL_BYTES))
        else:
            self._label.is_shared = True
        self._writes.add(write)
        if not is_heard:
            self._unheard.add(write)
        return self._label if is_heard else Label()

    def end(self, write: object) -> None:
        """Stop labelling for this write."""
        self._writes.discard(write)
        self._unheard.discard(write)

    def __call__(
        self, execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """Execute the statement, with a label if it changes a watched table."""
        if not self._writes or self._unheard or not self._changes_watched(sql):
            return execute(sql, params, many, context)
        try:
            return execute(f"{OPENING}{self._label}{CLOSING}{sql}", params, many, context)
        except BaseException:
            self._writes.clear()
            raise

    def _changes_watched(self, sql: Any) -> bool:
        codec = get_codec()
        if self._openings[0] is not codec:
            self._openings = (codec, tuple(self._format_openings(codec)))
        return isinstance(sql, str) and sql.startswith(self._openings[1])

    def _format_openings(self, codec: Codec) -> list[str]:
        # In Django's form; a statement in another form stays unlabelled.
        names = [self._quote_name(name) for name in names_of_tables(codec)]
        verbs = ("INSERT INTO", "UPDATE", "DELETE FROM")
        return [f"{verb} {name} " for verb in verbs for name in names]


def labels_of(connection: BaseDatabaseWrapper) -> Labels:
    """Return the connection's wrapper, added at its first write."""
    for wrapper in connection.execute_wrappers:
        if isinstance(wrapper, Labels):
            return wrapper
    labels = Labels(connection.ops.quote_name)
    # In front: `connection.execute_wrapper()` removes the last one.
    connection.execute_wrappers.insert(0, labels)
    return labels


def names_of_tables(codec: Codec) -> list[str]:
    """Return the names of all tables to watch: users' and extensions'."""
    users = [table.name for table in watched_tables(codec)]
    return users + [table.name for table in extension_tables()]


def watched_tables(codec: Codec) -> list[WatchedTable]:
    """Return the tables of the watched columns; with multi-table inheritance several."""
    fields: dict[type[models.Model], list[models.Field[Any, Any]]] = {}
    for field in codec.model._meta.concrete_fields:
        if field.attname in codec.watched:
            fields.setdefault(field.model, []).append(field)
    return [
        WatchedTable(
            name=owner._meta.db_table,
            key=str(owner._meta.pk.column),
            columns=tuple(str(field.column) for field in found),
            has_users_key=_has_users_key(codec.model, owner),
        )
        for owner, found in fields.items()
    ]


def _has_users_key(user_model: type[models.Model], owner: type[models.Model]) -> bool:
    model = user_model._meta.concrete_model or user_model
    while model is not owner:
        link = model._meta.get_ancestor_link(owner)
        if link is None or not (link.primary_key and link.target_field.primary_key):
            return False
        model = link.related_model
    return True
