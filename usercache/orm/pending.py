"""The writes of an instance between two signals: announced before it changes, and completed after.

Django sends no signal when a save or a deletion fails. So methods are wrapped, and one that failed
leaves no write in the instance. What anything else leaves is copied and pickled as nothing.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from django.db import models

from usercache.orm.writes import Write


class PendingWrite(NamedTuple):
    """A write, and the key of the row that it announced, if it is one row's."""

    write: Write
    pk: Any = None


class _Pending(list[PendingWrite]):
    def __reduce__(self) -> tuple[type["_Pending"], tuple[()]]:
        return _Pending, ()


class PendingWrites:
    """Keeps writes in an attribute of an instance's `_state`.

    Several, since other receivers may save an instance that is being saved or deleted.
    """

    def __init__(self, attribute: str) -> None:
        """Name the attribute."""
        self._attribute = attribute

    def push(self, instance: models.Model, pending: PendingWrite) -> None:
        """Keep a write."""
        vars(instance._state).setdefault(self._attribute, _Pending()).append(pending)

    def pop(self, instance: models.Model) -> PendingWrite | None:
        """Return the last write that was kept, None if there is none."""
        writes = self._writes_of(instance)
        if not writes:
            return None
        pending = writes.pop()
        if not writes:
            delattr(instance._state, self._attribute)
        return pending

    def ending_what_failed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method that does the same, and ends the writes that it leaves behind."""

        @wraps(method)
        def call(instance: models.Model, *args: Any, **kwargs: Any) -> Any:
            # Earlier ones belong to another save of the same instance, which is still running.
            under_way = len(self._writes_of(instance))
            try:
                return method(instance, *args, **kwargs)
            finally:
                while len(self._writes_of(instance)) > under_way and (left := self.pop(instance)):
                    left.write.end()

        return call

    def _writes_of(self, instance: models.Model) -> list[PendingWrite]:
        return getattr(instance._state, self._attribute, [])
