"""Look up what a user may do: the grants and the names in one round trip, the groups in another."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from django.contrib.auth.models import Permission
from django.db import models
from django.db.models import Value

from usercache.codec import Codec, EntryCodec, Values, get_codec
from usercache.conf import conf
from usercache.database import database_of
from usercache.identifiers import row_pk
from usercache.keys import extension_key
from usercache.lookup import Source
from usercache.orm.loading import source_of
from usercache.permissions.links import (
    GRANTS,
    GROUP,
    PERMISSIONS,
    find_user_links,
    group_links,
)
from usercache.runtime import get_store

FORMAT: Final = 1
PERMISSIONS_KEY: Final = extension_key(PERMISSIONS)

Ids = tuple[int, ...]
Load = Callable[[Codec, Mapping[str, Any]], dict[str, Values]]


class Content(NamedTuple):
    """The values of a record; each kind has some of them. See Note [Three kinds of records]."""

    groups: Ids = ()
    """Of grants: the user's groups."""
    permissions: Ids = ()
    """Of grants: the user's own; of a group: its own; of the permissions: all."""
    names: tuple[str, ...] = ()
    """Of the permissions: what each is called, `auth.add_user`, in the same order."""


class PermissionNames(NamedTuple):
    """The permissions that a user has."""

    own: set[str]
    by_groups: set[str]


def look_up(user: models.Model, *, is_superuser: bool) -> PermissionNames:
    """Return the names of a user's own permissions, and of those of their groups.

    Warm: no query, and two round trips unless the records are in process memory. Cold: three
    queries at most. A superuser has all of both, as in Django's ModelBackend.
    """
    codec = get_codec()
    pk = row_pk(codec, user)
    if is_superuser:
        names = _find({PERMISSIONS_KEY: None}, _load_first)[PERMISSIONS_KEY].names
        return PermissionNames(set(names), set(names))
    grants_key = extension_key(f"{GRANTS}{pk}")
    first = _find({grants_key: pk, PERMISSIONS_KEY: None}, _load_first)
    grants, permissions = first[grants_key], first[PERMISSIONS_KEY]
    groups = {f"{GROUP}{group}": group for group in grants.groups}  # a number needs no quoting
    of_groups = _find(groups, _load_groups) if groups else {}
    by_groups = {pk for group in of_groups.values() for pk in group.permissions}
    return _name(codec, permissions, grants.permissions, by_groups)


def _name(
    codec: Codec, permissions: Content, own: Iterable[int], by_groups: Iterable[int]
) -> PermissionNames:
    names = dict(zip(permissions.permissions, permissions.names, strict=True))
    if not names.keys() >= {*own, *by_groups}:
        # A permission was made or deleted in a way that nobody announced, or in this transaction.
        get_store().invalidate([PERMISSIONS_KEY])
        names = _query_names(codec)
    return PermissionNames(
        {names[pk] for pk in own if pk in names}, {names[pk] for pk in by_groups if pk in names}
    )


def _find(pks: Mapping[str, Any], load: Load) -> dict[str, Content]:
    found = get_store().look_up_many(pks, _source_of(get_codec(), load))
    return {key: Content(*values) for key, values in found.items()}


@lru_cache(maxsize=4)
def _source_of(codec: Codec, load: Load) -> Source:
    users = source_of(codec)
    return users._replace(codec=_get_entry_codec(codec), load=partial(load, codec))


def _load_first(codec: Codec, pks: Mapping[str, Any]) -> dict[str, Values]:
    return {
        key: _load_permissions(codec) if key == PERMISSIONS_KEY else _load_grants(codec, pk)
        for key, pk in pks.items()
    }


def _load_grants(codec: Codec, pk: Any) -> Content:
    ids: dict[str, list[int]] = {"groups": [], "user_permissions": []}
    rows = list["models.QuerySet[Any]"]()
    for name in ids:
        if links := find_user_links(codec.model, name):
            of_user = links.rows(database_of(codec)).filter(**{links.owner.attname: pk})
            named = of_user.order_by().annotate(kind=Value(name))
            rows.append(named.values_list("kind", links.other.attname))
    for kind, other in rows[0].union(*rows[1:], all=True) if rows else ():
        ids[kind].append(other)
    return Content(tuple(sorted(ids["groups"])), tuple(sorted(ids["user_permissions"])))


def _load_groups(codec: Codec, groups: Mapping[str, int]) -> dict[str, Values]:
    links = group_links()
    owner, other = links.owner.attname, links.other.attname
    wanted = {group: key for key, group in groups.items()}
    ids: dict[int, list[int]] = {group: [] for group in wanted}
    rows = links.rows(database_of(codec)).filter(**{f"{owner}__in": wanted})
    for group, permission in rows.values_list(owner, other):
        ids[group].append(permission)
    return {wanted[group]: Content((), tuple(sorted(found))) for group, found in ids.items()}


def _load_permissions(codec: Codec) -> Content:
    names = _query_names(codec)
    return Content((), tuple(names), tuple(names.values()))


def _query_names(codec: Codec) -> dict[int, str]:
    rows = Permission._base_manager.using(database_of(codec)).order_by("pk")
    found = rows.values_list("pk", "content_type__app_label", "codename")
    return {pk: f"{app_label}.{codename}" for pk, app_label, codename in found}


@lru_cache(maxsize=2)
def _get_entry_codec(codec: Codec) -> EntryCodec:
    # With the users' signing keys; after a change of the settings there is another codec.
    entry_codec = EntryCodec(
        ("usercache.permissions", FORMAT, codec.model._meta.label),
        tuple[int, Ids, Ids, tuple[str, ...]],
        conf.USERCACHE_SIGNING_KEY,
        conf.USERCACHE_SIGNING_KEY_FALLBACKS,
    )
    entry_codec.names = Content._fields
    return entry_codec
