"""Which rows of the database lead from a user to permissions, and the names of the records of them.

Note [Three kinds of records]
-----------------------------
A user's *grants* (`user:ext:grants:7`) are the ids of their groups and of their own permissions, a
*group* (`user:ext:group:3`) is the ids of its permissions, and the *permissions*
(`user:ext:permissions`) are what each id is called. A change of a group with 100,000 members, or of
a permission's name, is thus a change of one record. Each is kept by the protocol of users' records;
see Note [One record key, three kinds of value] in `usercache/lookup.py`.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from usercache.codec import get_codec
from usercache.identifiers import canonical_pk
from usercache.keys import EXTENSION_PREFIX
from usercache.orm.outbox import ExtensionTable

GRANTS: Final = EXTENSION_PREFIX + "grants:"
GROUP: Final = EXTENSION_PREFIX + "group:"
PERMISSIONS: Final = EXTENSION_PREFIX + "permissions"


def name_grants(pk: Any) -> str:
    """Return the name of a user's grants: `user:ext:grants:7`."""
    return f"{GRANTS}{canonical_pk(get_codec().model, pk)}"


def name_group(pk: Any) -> str:
    """Return the name of a group's record: `user:ext:group:3`."""
    return f"{GROUP}{canonical_pk(Group, pk)}"


class Links(NamedTuple):
    """A many-to-many table: rows of owners, each of which has a record that names the others."""

    through: type[models.Model]
    owner: "models.ForeignKey[Any, Any]"
    other: "models.ForeignKey[Any, Any]"
    record: str
    """What the names of the owners' records begin with."""

    def name_owner(self, pk: Any) -> str:
        """Return the name of an owner's record."""
        return name_grants(pk) if self.record == GRANTS else name_group(pk)

    def name_owners_of(self, other: Any, using: str) -> list[str]:
        """Return the names of the records that name this one. One query."""
        rows = self.rows(using).filter(**{self.other.attname: other})
        return [self.name_owner(pk) for pk in rows.values_list(self.owner.attname, flat=True)]

    def rows(self, using: str) -> "models.QuerySet[models.Model]":
        """Return all rows, of this database."""
        return self.through._base_manager.using(using)


def find_user_links(user_model: type[models.Model], name: str) -> Links | None:
    """Return the table of a user's `groups` or `user_permissions`; None if it isn't Django's."""
    expected = {"groups": Group, "user_permissions": Permission}[name]
    try:
        field = user_model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    if not isinstance(field, models.ManyToManyField) or field.related_model is not expected:
        return None
    return _links_of(field, GRANTS)


def all_links() -> list[Links]:
    """Return the tables that lead from users to permissions."""
    model = get_user_model()
    users = (find_user_links(model, "groups"), find_user_links(model, "user_permissions"))
    return [*filter(None, users), group_links()]


def group_links() -> Links:
    """Return the table of groups' permissions."""
    field = Group._meta.get_field("permissions")
    return _links_of(cast("models.ManyToManyField[Any, Any]", field), GROUP)


def watched_tables() -> Iterable[ExtensionTable]:
    """Return the tables whose changes invalidate records, by any client."""
    for links in all_links():
        yield ExtensionTable(links.through._meta.db_table, links.record, str(links.owner.column))
    for model in (Permission, ContentType):
        yield ExtensionTable(model._meta.db_table, PERMISSIONS, "")


def _links_of(field: "models.ManyToManyField[Any, Any]", record: str) -> Links:
    through = cast("type[models.Model]", field.remote_field.through)
    names = (field.m2m_field_name(), field.m2m_reverse_field_name())
    owner, other = (
        cast("models.ForeignKey[Any, Any]", through._meta.get_field(name)) for name in names
    )
    return Links(through, owner, other, record)
