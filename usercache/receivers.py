"""Model signals to announced writes: whoever saves or deletes a user, the cache learns of it."""

from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connections, models
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from usercache import outbox, triggers
from usercache.codec import get_codec
from usercache.models import PendingInvalidation
from usercache.users import refuse_read_only
from usercache.writes import Write, touches_cache

PENDING_WRITES: Final = "usercache_writes"
"""Where an instance's `_state` keeps its writes between their two signals.

Several, since other receivers may save an instance that is being saved or deleted.
"""


def announce_save(
    *, instance: models.Model, using: str, update_fields: frozenset[str] | None, **_kwargs: Any
) -> None:
    """Raise the barrier before a user's row changes.

    Raises:
        ReadOnlyUserError: the instance came from the cache.
    """
    refuse_read_only(instance)
    if touches_cache(update_fields):
        _announce(instance, using)


def finish_save(
    *, instance: models.Model, update_fields: frozenset[str] | None, **_kwargs: Any
) -> None:
    """Invalidate the user, under his old identifiers and his new ones, after commit."""
    if touches_cache(update_fields):
        _finish(instance)


def announce_delete(*, instance: models.Model, using: str, **_kwargs: Any) -> None:
    """Raise the barrier before a user's row is deleted.

    Raises:
        ReadOnlyUserError: the instance came from the cache.
    """
    refuse_read_only(instance)
    _announce(instance, using)


def finish_delete(*, instance: models.Model, **_kwargs: Any) -> None:
    """Invalidate the user after commit."""
    _finish(instance)


def install_triggers(*, using: str, **_kwargs: Any) -> None:
    """Put PostgreSQL's triggers on the user table, once both tables are there."""
    connection = connections[using]
    if using != outbox.get_alias() or not triggers.has_triggers(connection):
        return
    needed = {get_user_model()._meta.db_table, PendingInvalidation._meta.db_table}
    if needed <= set(connection.introspection.table_names()):
        triggers.install(connection, get_codec())


def connect() -> None:
    """Listen to the user model, its proxies and children, which send signals of their own."""
    user_model = get_user_model()
    for model in apps.get_models():
        if issubclass(model, user_model):
            pre_save.connect(announce_save, sender=model)
            post_save.connect(finish_save, sender=model)
            pre_delete.connect(announce_delete, sender=model)
            post_delete.connect(finish_delete, sender=model)


def _announce(instance: models.Model, using: str) -> None:
    write = Write(using)
    if instance.pk is not None:
        write.announce([instance.pk])
    vars(instance._state).setdefault(PENDING_WRITES, []).append(write)


def _finish(instance: models.Model) -> None:
    write: Write = getattr(instance._state, PENDING_WRITES).pop()
    write.note_instance(instance)
    if not write.is_announced:
        write.announce_new([instance.pk])
    write.finish()
