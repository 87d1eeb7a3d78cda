"""Model signals to announced writes, for every save and deletion of a user."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from usercache.codec import get_codec
from usercache.identifiers import row_pk
from usercache.instances import columns, saving
from usercache.instances.saving import refuse_read_only, upgrades_hash
from usercache.orm.writes import Write, touches_cache


class _Pending(list[Write]):
    def __reduce__(self) -> tuple[type["_Pending"], tuple[()]]:
        return _Pending, ()


class PendingWrites:
    """The writes of an instance between two signals, in an attribute of its `_state`.

    Several, since other receivers may save an instance that is being saved or deleted. Django sends
    no signal when a save or a deletion fails: so methods are wrapped, and one that failed leaves no
    write in the instance. What anything else leaves is copied and pickled as nothing.
    """

    def __init__(self, attribute: str) -> None:
        """Name the attribute."""
        self._attribute = attribute

    def push(self, instance: models.Model, write: Write) -> None:
        """Keep a write."""
        vars(instance._state).setdefault(self._attribute, _Pending()).append(write)

    def pop(self, instance: models.Model) -> Write | None:
        """Return the last write that was kept, None if there is none."""
        writes = self._writes_of(instance)
        if not writes:
            return None
        write = writes.pop()
        if not writes:
            delattr(instance._state, self._attribute)
        return write

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
                    left.end()

        return call

    def _writes_of(self, instance: models.Model) -> list[Write]:
        return getattr(instance._state, self._attribute, [])


PENDING_WRITES: Final = PendingWrites("usercache_writes")


def announce(
    *,
    instance: models.Model,
    using: str,
    update_fields: frozenset[str] | None = None,
    **_kwargs: Any,
) -> None:
    """Set the write marker before a user's row is changed or deleted.

    Raises:
        ReadOnlyUserError: the instance came from the cache, and may only be read.
    """
    if not upgrades_hash(instance, update_fields):
        refuse_read_only(instance)
    if not touches_cache(update_fields):
        return
    write, pk = Write(using, update_fields), row_pk(get_codec(), instance)
    PENDING_WRITES.push(instance, write)
    if pk is not None:
        write.announce([pk])
    write.begin()


def finish(
    *, instance: models.Model, update_fields: frozenset[str] | None = None, **_kwargs: Any
) -> None:
    """Invalidate the user, under old and new identifiers, after commit."""
    if not touches_cache(update_fields) or (write := PENDING_WRITES.pop(instance)) is None:
        return
    write.end()
    write.note_instance(instance)
    pk = row_pk(get_codec(), instance)
    if pk is not None and pk not in write.announced:
        write.announce_new([pk])
    write.finish()


def connect() -> None:
    """Connect to the user model, its proxies and children, which send signals of their own."""
    user_model = get_user_model()
    columns.install(user_model)
    saving.install(user_model)
    for name in ("save_base", "delete"):
        setattr(user_model, name, PENDING_WRITES.ending_what_failed(getattr(user_model, name)))
    for model in apps.get_models():
        if issubclass(model, user_model):
            for before, after in ((pre_save, post_save), (pre_delete, post_delete)):
                before.connect(announce, sender=model)
                after.connect(finish, sender=model)
