"""Announce a write of users before it is committed, and finish it after.

A writer raises barriers on the record keys of all users it is about to change; after commit it
takes them off, which deletes the records. Rolled back, it does neither: the barriers run out by
their TTL, and until then those users are read from the database. See Note [One record key, three
kinds of value] in `reader.py`, and Note [The outbox] in `outbox.py` for what Redis did not hear of.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import Error as AnyDatabaseError
from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from usercache import outbox, triggers
from usercache.codec import get_codec
from usercache.identifiers import identifiers_of, spell_pointers
from usercache.keys import record_key
from usercache.process import PROCESS, get_store, is_in_transaction
from usercache.stats import ERRORS_PREFIX
from usercache.tiers import new_token

logger = logging.getLogger(__name__)

BATCH: Final = 500
"""Users whose barriers go up in one round trip, and whose identifiers are read in one query."""


class Write:
    """One change of some users on its way to the database, from announcement to commit."""

    def __init__(self, using: str) -> None:
        """Begin a write on a database alias; nothing is announced yet."""
        self._using = using
        self._token = new_token()
        self._labels = outbox.spell_labels(PROCESS.token)
        self._pks: list[Any] = []
        self._pointers: list[str] = []
        self._may_have_rows = False

    @property
    def is_announced(self) -> bool:
        """Say whether any barrier is up."""
        return bool(self._pks)

    def announce(self, pks: Sequence[Any]) -> None:
        """Raise the barriers of rows about to be changed, and remember what leads to them.

        One round trip and one query for each 500 of them. Must come before the commit of the
        change; what was announced must be finished.
        """
        codec = get_codec()
        for batch in _batches(pks):
            is_heard = self._raise_barriers(batch)
            label = self._labels[0 if is_heard else 1]
            for identifiers in outbox.read_identifiers(codec, self._using, batch, label):
                self.note_pointers(spell_pointers(codec.model, identifiers))
            if self._has_triggers():
                self._may_have_rows = True
            elif not is_heard:
                self._note_in_outbox(batch)

    def announce_new(self, pks: Sequence[Any]) -> None:
        """Raise the barriers of rows just written, whose keys were not known before.

        Within the transaction that is still before the commit. Somebody may have asked for these
        ids already and been told "no such user".
        """
        for batch in _batches(pks):
            if not self._raise_barriers(batch) and not self._has_triggers():
                self._note_in_outbox(batch)

    def label(self) -> None:
        """Label what is changed next, where it can't be said before which rows that will be."""
        if self._has_triggers():
            triggers.set_label(connections[self._using], self._labels[0])
            self._may_have_rows = True

    def note_instance(self, user: models.Model) -> None:
        """Remember the pointers of the identifiers that this instance carries."""
        codec = get_codec()
        self.note_pointers(spell_pointers(codec.model, identifiers_of(codec, user)))

    def note_pointers(self, pointers: Iterable[str]) -> None:
        """Remember pointers to drop."""
        self._pointers += pointers

    def finish(self) -> None:
        """Lower the barriers and drop the pointers when the transaction commits, or now."""
        transaction.on_commit(self._lower, using=self._using)

    def _lower(self) -> None:
        store = get_store()
        pointers = list(dict.fromkeys(self._pointers))
        is_confirmed = True
        for batch in _batches(self._pks):
            keys = [record_key(pk) for pk in batch]
            is_confirmed = store.lower_barriers(keys, self._token, pointers) and is_confirmed
            pointers = []
        # The write is committed, and its response must say so, whatever happens to the outbox.
        try:
            self._update_outbox(is_confirmed=is_confirmed)
        except AnyDatabaseError as error:
            store.stats.count(ERRORS_PREFIX + type(error).__name__)
            logger.warning("The outbox could not be updated after a write: %s", error)
            _drop_if_dead(connections[self._using])

    def _update_outbox(self, *, is_confirmed: bool) -> None:
        if is_confirmed:
            if self._may_have_rows:
                outbox.settle(self._using, self._labels, self._pks)
        elif not (self._may_have_rows and self._has_triggers()):
            # Also where a row was written before: outside of a transaction somebody may have
            # carried it out already, ahead of the change.
            outbox.note(self._using, self._pks)

    def _raise_barriers(self, pks: Sequence[Any]) -> bool:
        self._pks += pks
        return get_store().raise_barriers([record_key(pk) for pk in pks], self._token)

    def _note_in_outbox(self, pks: Sequence[Any]) -> None:
        outbox.note(self._using, pks, self._labels[1])
        self._may_have_rows = True

    def _has_triggers(self) -> bool:
        return triggers.has_triggers(connections[self._using])


def touches_cache(columns: Iterable[str] | None) -> bool:
    """Say whether a write of these fields (names or columns; None for all) needs announcing."""
    if columns is None:
        return True
    codec = get_codec()
    meta = codec.model._meta
    cached = {f.name for f in meta.concrete_fields if f.attname in codec.field_set}
    return not (codec.field_set | cached | {"pk"}).isdisjoint(columns)


def _drop_if_dead(connection: BaseDatabaseWrapper) -> None:
    # Who comes next was told of no error, and shouldn't find what is left of it either.
    if not is_in_transaction(connection) and not connection.is_usable():
        connection.close()


def _batches(pks: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (pks[start : start + BATCH] for start in range(0, len(pks), BATCH))
