"""Announce the writes of groups, permissions and memberships; see `usercache/orm/writes.py`.

A deletion cascades to the many-to-many tables without a signal of theirs, so it announces the
records of all that were linked to what is deleted.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from usercache.codec import get_codec
from usercache.conf import conf
from usercache.identifiers import row_pk
from usercache.orm import outbox
from usercache.orm.signals import PendingWrites
from usercache.orm.writes import Write
from usercache.permissions.links import (
    PERMISSIONS,
    Links,
    all_links,
    name_grants,
    name_group,
)

PENDING_WRITES: Final = PendingWrites("usercache_permission_writes")


def invalidate_permissions(users: Iterable[Any] = (), groups: Iterable[Any] = ()) -> None:
    """Drop what is cached of these users' groups and permissions, and of these groups' permissions.

    By primary key. Call it after the commit of a write that nothing announces: one past the ORM, or
    through the models of the many-to-many tables, where PostgreSQL's triggers don't note it.
    """
    if not conf.USERCACHE_ENABLED:
        return
    write = Write(outbox.get_alias(), (), names_records=True)
    write.announce_new([*map(name_grants, users), *map(name_group, groups), PERMISSIONS])
    write.finish()


def connect() -> None:
    """Connect to the models of users, groups, permissions, and what links them."""
    for links in all_links():
        _connect_links(links)
    user_model = get_user_model()
    ending = PENDING_WRITES.ending_what_failed(user_model.delete)
    user_model.delete = ending  # type: ignore[method-assign]  # the same to its callers
    _connect(user_model, pre_delete, post_delete, _find_by_user)
    _connect(Group, pre_delete, post_delete, _find_by_group)
    _connect(Permission, pre_delete, post_delete, _find_by_permission)
    _connect(Permission, pre_save, post_save, _find_permissions)
    _connect(ContentType, pre_save, post_save, _find_permissions)
    _connect(ContentType, pre_delete, post_delete, _find_permissions)


def _connect_links(links: Links) -> None:
    def announce(
        *,
        instance: models.Model,
        action: str,
        reverse: bool,
        pk_set: Iterable[Any] | None,
        using: str,
        **_kwargs: Any,
    ) -> None:
        if action.startswith("post_"):
            _finish(instance)
        elif not reverse:
            _announce(instance, using, lambda: [links.name_owner(instance.pk)])
        elif pk_set is not None:
            _announce(instance, using, lambda: map(links.name_owner, pk_set))
        else:
            _announce(instance, using, lambda: links.name_owners_of(instance.pk, using))

    m2m_changed.connect(announce, sender=links.through, weak=False)


def _connect(
    model: type[models.Model],
    before: models.signals.ModelSignal,
    after: models.signals.ModelSignal,
    find: Callable[[Any, str], Iterable[str]],
) -> None:
    def announce(*, instance: models.Model, using: str, **_kwargs: Any) -> None:
        _announce(instance, using, lambda: find(instance, using))

    def finish(*, instance: models.Model, **_kwargs: Any) -> None:
        _finish(instance)

    for kind in apps.get_models():
        if issubclass(kind, model):  # its proxies and children send signals of their own
            before.connect(announce, sender=kind, weak=False)
            after.connect(finish, sender=kind, weak=False)


def _find_by_user(user: models.Model, _using: str) -> list[str]:
    return [name_grants(row_pk(get_codec(), user))]


def _find_by_group(group: models.Model, using: str) -> list[str]:
    return [name_group(group.pk), *_name_owners_of(group, using)]


def _find_by_permission(permission: models.Model, using: str) -> list[str]:
    return [PERMISSIONS, *_name_owners_of(permission, using)]


def _find_permissions(_instance: models.Model, _using: str) -> list[str]:
    return [PERMISSIONS]


def _name_owners_of(instance: models.Model, using: str) -> list[str]:
    return [
        name
        for links in all_links()
        if isinstance(instance, links.other.related_model)
        for name in links.name_owners_of(instance.pk, using)
    ]


def _announce(instance: models.Model, using: str, find: Callable[[], Iterable[str]]) -> None:
    if not conf.USERCACHE_ENABLED:
        return
    write = Write(using, (), names_records=True)
    PENDING_WRITES.push(instance, write)
    write.announce(list(dict.fromkeys(find())))
    write.begin()


def _finish(instance: models.Model) -> None:
    if write := PENDING_WRITES.pop(instance):
        write.end()
        write.announce_changed()  # what was linked since it was announced
        write.finish()
