"""Announce a write of users before it is committed, and complete it after.

A write sets write markers on the record keys of all users it is about to change, and clears them
after the commit, which deletes the records. While its transaction is open they are set again before
their TTL ends. After a rollback neither happens: the markers expire, and until then those users are
read from the database. See Note [One record key, three kinds of value] in `usercache/lookup.py`,
and Note [The outbox] in `outbox.py` for the writes that Redis did not hear of.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import Error as AnyDatabaseError
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from usercache.backends.base import new_token
from usercache.codec import Codec, get_codec
from usercache.conf import conf
from usercache.database import after_commit, is_in_transaction
from usercache.identifiers import format_pointers, identifiers_of
from usercache.keys import EXTENSION_PREFIX, extension_key, record_key
from usercache.lookup import Store
from usercache.orm import outbox
from usercache.orm.outbox import Journal, Label, journal_of
from usercache.runtime import Service, get_store
from usercache.workers import Worker

logger = logging.getLogger(__name__)

WRITES_AT_ONCE: Final = 500
"""Users per round trip for write markers, and per query for identifiers."""
RENEWALS_PER_TTL: Final = 3
"""So one may be late, or fail, before the write marker expires."""


class Write:
    """One change of some users, from its announcement to its commit."""

    def __init__(
        self,
        using: str,
        fields: Iterable[str] | None = None,
        *,
        names_records: bool = False,
    ) -> None:
        """Begin a write of these fields (None for all) on a database alias; announce nothing yet.

        With `names_records`, what is announced are the names of an extension's records, not users'
        primary keys.
        Pointers are dropped where an identifier may change. They lead nobody astray in any case:
        they are believed only when the record they lead to carries that very value.
        """
        self._using = using
        self._drops_pointers = fields is None or not set(get_codec().identifiers).isdisjoint(fields)
        self._names_records = names_records
        self._to_key: Callable[[Any], str] = extension_key if names_records else record_key
        self._token = new_token()
        self._awaits_commit = False
        self._renewing = threading.Lock()
        self._is_over = False
        self.announced: list[Any] = []
        self._pointers: list[str] = []
        self._noted = set[Any]()
        """Keys whose rows in the outbox can't be drained ahead of the change."""
        self._is_heard = True
        self._label: Label | None = None

    def announce(self, pks: Sequence[Any]) -> None:
        """Set the write markers of rows about to be changed, and remember their pointers.

        One round trip for each 500 of them, and one query if an identifier may change. Call it
        before the commit of the change, and `finish()` afterwards.
        """
        codec = get_codec()
        for batch in _batches(pks):
            if not self._set_markers(batch):
                self._is_heard = False
                if not self._journal.notes_changes:
                    outbox.enqueue(self._using, batch)
            if self._drops_pointers:
                for identifiers in _read_identifiers(codec, self._using, batch):
                    self.note_pointers(format_pointers(codec.model, identifiers))

    def announce_new(self, pks: Sequence[Any]) -> None:
        """Set the write markers of rows just written, whose keys were not known before.

        Call it inside the transaction: a look-up of these ids may have cached "no such user".
        """
        for batch in _batches(pks):
            if not self._set_markers(batch) and not self._is_noted_for_all():
                outbox.enqueue(self._using, batch)
                self._noted.update(batch)

    def announce_changed(self) -> None:
        """Set the write markers of rows that came to match between announcement and statement.

        The journal's rows name them. On a database without one, the caller's transaction must
        exclude other writers. Call it before the commit. One query.
        """
        if self._label:
            changed = outbox.read_labelled(self._using, self._label).difference(
                map(str, self.announced)
            )
            # Overlapping writes share a label, and each announces what it has the keys of.
            self.announce_new(
                sorted(
                    name
                    for name in changed
                    if name.startswith(EXTENSION_PREFIX) == self._names_records
                )
            )

    def begin(self) -> None:
        """Label the statements from now on as this write's, until `end()` or its deletion."""
        self._label = self._journal.begin(self, is_heard=self._is_heard)

    def end(self) -> None:
        """Stop labelling statements. All that a failed write needs."""
        self._journal.end(self)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Label the statements inside the block as this write's."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def note_instance(self, user: models.Model) -> None:
        """Remember the pointers of the identifiers that this instance carries."""
        if self._drops_pointers:
            codec = get_codec()
            self.note_pointers(format_pointers(codec.model, identifiers_of(codec, user)))

    def note_pointers(self, pointers: Iterable[str]) -> None:
        """Remember pointers to drop."""
        self._pointers += pointers

    def finish(self) -> None:
        """Clear the write markers and drop the pointers when the transaction commits, or now."""
        if not self._awaits_commit:
            after_commit(self.complete, self._using)

    def complete(self) -> None:
        """Clear the write markers and drop the pointers; the change is committed."""
        with self._renewing:
            self._is_over = True
        store = get_store()
        pointers = list(dict.fromkeys(self._pointers))
        confirmed, owed = list[Any](), list[Any]()
        for batch in _batches(self.announced):
            keys = list(map(self._to_key, batch))
            is_confirmed = store.clear_markers(keys, self._token, pointers)
            (confirmed if is_confirmed else owed).extend(batch)
            pointers = []
        # The write is committed, and its response must say so, whatever happens to the outbox.
        try:
            self._update_outbox(confirmed, owed)
        except AnyDatabaseError as error:
            store.events.note_error(error)
            logger.warning("The outbox could not be updated after a write: %s", error)
            _drop_if_dead(connections[self._using])

    def _update_outbox(self, confirmed: Sequence[Any], owed: Sequence[Any]) -> None:
        if confirmed and self._label:
            self._journal.acknowledge(self._label, list(map(str, confirmed)))
        # Also what `announce()` noted: outside of a transaction, that row may have been
        # drained already, ahead of the change.
        unnoted = [pk for pk in owed if pk not in self._noted]
        if unnoted and not self._is_noted_for_all():
            outbox.enqueue(self._using, unnoted)

    def renew(self) -> None:
        """Set the write markers again, unless the write is complete. Called by another thread."""
        for batch in _batches(list(self.announced)):
            with self._renewing:
                if self._is_over:
                    return
                get_store().set_markers(list(map(self._to_key, batch)), self._token)

    def _set_markers(self, pks: Sequence[Any]) -> bool:
        self.announced += pks
        store = get_store()  # first: a new store begins its renewals again
        self._follow_transaction()
        return store.set_markers(list(map(self._to_key, pks)), self._token)

    def _follow_transaction(self) -> None:
        # From the announcement on: a write that fails later may have changed the row, and its
        # transaction may still commit.
        if not self._awaits_commit and is_in_transaction(connections[self._using]):
            self._awaits_commit = True
            at_commit = _AtCommit(self)
            after_commit(at_commit, self._using)
            RENEWAL.watch(at_commit)

    def _is_noted_for_all(self) -> bool:
        # By the journal: each row that its statements change, without a label.
        return self._label == ""

    @property
    def _journal(self) -> Journal:
        return journal_of(connections[self._using])


class _AtCommit:
    """Called by Django at the commit, and released when the transaction is rolled back.

    Nothing else refers to it, so it exists exactly as long as its write may still be committed.
    """

    def __init__(self, write: Write) -> None:
        self.write = write

    def __call__(self) -> None:
        self.write.complete()


class Renewal:
    """Set the write markers of open writes again each time a third of their TTL has passed.

    Writes are referenced weakly: one that can't be committed any more disappears.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Renew nothing before `extend()`, and watch from now on."""
        self._clock = clock
        self._reset()

    def extend(self, store: Store) -> Iterable[Service]:
        """Restart with a new store of this process; see `usercache.runtime.Extension`."""
        self._reset()
        worker = Worker(
            "usercache-renewal", lambda: self._run(worker.ended), store.events.note_unexpected
        )
        return [worker]

    def watch(self, write: _AtCommit) -> None:
        """Renew a write, whose write markers were just set, until it ends."""
        with self._lock:
            self._set_at.setdefault(write, self._clock())

    def renew_due(self) -> None:
        """Renew the write markers set a third of their TTL ago."""
        due_at = self._clock() - _pause_seconds()
        with self._lock:
            due = [at_commit for at_commit, set_at in self._set_at.items() if set_at <= due_at]
            self._set_at.update(dict.fromkeys(due, self._clock()))
        for at_commit in due:
            at_commit.write.renew()

    def _reset(self) -> None:
        # In a forked child another thread of the parent may have held the lock.
        self._lock = threading.Lock()
        self._set_at = weakref.WeakKeyDictionary[_AtCommit, float]()

    def _run(self, ended: threading.Event) -> None:
        # Twice per period, so that a marker that just missed one check isn't late for long.
        while not ended.wait(_pause_seconds() / 2):
            self.renew_due()


def _pause_seconds() -> float:
    return conf.USERCACHE_WRITE_MARKER_TTL_SECONDS / RENEWALS_PER_TTL


RENEWAL: Final = Renewal()
"""Of this process."""


def touches_cache(columns: Iterable[str] | None) -> bool:
    """Return whether a write of these fields (names or columns; None for all) needs announcing."""
    if columns is None or not conf.USERCACHE_ENABLED:
        return conf.USERCACHE_ENABLED
    codec = get_codec()
    meta = codec.model._meta
    cached = {f.name for f in meta.concrete_fields if f.attname in codec.watched}
    return not (codec.watched | cached | {"pk"}).isdisjoint(columns)


def _read_identifiers(codec: Codec, using: str, pks: Sequence[Any]) -> list[dict[str, object]]:
    if not codec.identifiers:
        return []  # values() of no columns would be all of them
    rows = codec.model._base_manager.using(using).filter(pk__in=pks)
    return list(rows.values(*codec.identifiers))


def _drop_if_dead(connection: BaseDatabaseWrapper) -> None:
    # The next request on this connection must not find it broken.
    if not is_in_transaction(connection) and not connection.is_usable():
        connection.close()


def _batches(pks: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (pks[start : start + WRITES_AT_ONCE] for start in range(0, len(pks), WRITES_AT_ONCE))
