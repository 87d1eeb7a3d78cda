"""Announce a write of users before it is committed, and finish it after.

A writer raises barriers on the record keys of all users it is about to change; after commit it
takes them off, which deletes the records. Rolled back, it does neither: the barriers run out by
their TTL, and until then those users are read from the database. See Note [One record key, three
kinds of value] in `store.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import models, transaction

from usercache.codec import get_codec
from usercache.identifiers import identifiers_of, spell_pointers
from usercache.keys import record_key
from usercache.process import get_store

BATCH: Final = 500
"""Users whose barriers go up in one round trip, and whose identifiers are read in one query."""


class Write:
    """One change of some users on its way to the database, from announcement to commit."""

    def __init__(self, using: str) -> None:
        """Begin a write on a database alias; nothing is announced yet."""
        self._using = using
        self._barriers: list[tuple[list[str], bytes]] = []
        self._pointers: list[str] = []

    @property
    def is_announced(self) -> bool:
        """Say whether any barrier is up."""
        return bool(self._barriers)

    def announce(self, pks: Sequence[Any]) -> None:
        """Raise the barriers of these users; one round trip for each 500 of them.

        Must come before the commit of the change; what was announced must be finished.
        """
        for batch in _batches(pks):
            keys = [record_key(pk) for pk in batch]
            self._barriers.append((keys, get_store().raise_barriers(keys)))

    def note_rows(self, pks: Sequence[Any]) -> None:
        """Remember the pointers that lead to these rows now; one query for each 500 of them."""
        codec = get_codec()
        rows = codec.model._base_manager.using(self._using)
        for batch in _batches(pks):
            for identifiers in rows.filter(pk__in=batch).values(*codec.identifiers):
                self.note_pointers(spell_pointers(codec.model, identifiers))

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
        for keys, token in self._barriers:
            store.lower_barriers(keys, token, pointers)
            pointers = []


def touches_cache(columns: Iterable[str] | None) -> bool:
    """Say whether a write of these fields (names or columns; None for all) needs announcing."""
    if columns is None:
        return True
    codec = get_codec()
    meta = codec.model._meta
    fields = (meta.pk if name == "pk" else meta.get_field(name) for name in columns)
    return not codec.field_set.isdisjoint(getattr(field, "attname", "") for field in fields)


def _batches(pks: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (pks[start : start + BATCH] for start in range(0, len(pks), BATCH))
