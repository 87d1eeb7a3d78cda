"""Groups of one member each, and their permission: made, changed and read by SQL."""

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from tests.fleet.users import Person, Users

GROUP = "fleet-{}"

CREATE = """
WITH created AS (INSERT INTO auth_group (name) VALUES (%s) RETURNING id)
INSERT INTO users_groups (user_id, group_id) SELECT %s, id FROM created
"""
READ = """
SELECT g.id, p.id,
  EXISTS (SELECT FROM users_groups WHERE user_id = %s AND group_id = g.id),
  EXISTS (SELECT FROM auth_group_permissions WHERE group_id = g.id AND permission_id = p.id)
FROM auth_group AS g, auth_permission AS p WHERE g.name = %s AND p.codename = 'view_group'
"""
WRITE = {
    ("membership", True): "INSERT INTO users_groups (user_id, group_id) VALUES (%s, %s)",
    ("membership", False): "DELETE FROM users_groups WHERE user_id = %s AND group_id = %s",
    ("permission", True): (
        "INSERT INTO auth_group_permissions (permission_id, group_id) VALUES (%s, %s)"
    ),
    ("permission", False): (
        "DELETE FROM auth_group_permissions WHERE permission_id = %s AND group_id = %s"
    ),
}


class Change(NamedTuple):
    """A row that is added or removed: of a membership, or of a group's permission."""

    kind: str
    is_added: bool
    pk: int
    """Of the user, or of the permission."""
    group: int
    is_permitted: bool
    """Whether the user has the permission afterwards."""


class Memberships:
    """The groups of users, over one connection for one thread."""

    def __init__(self, users: Users) -> None:
        """Take the connection over."""
        self._users = users

    def create(self, people: Iterable[Person]) -> None:
        """Give each a group of their own, which may do nothing yet."""
        for person in people:
            self._users.execute(CREATE, GROUP.format(person.pk), person.pk)

    def choose_change(self, pk: int, random: Random) -> Change:
        """Return a change of what is committed now."""
        [(group, permission, is_member, is_granted)] = self._users.execute(
            READ, pk, GROUP.format(pk)
        )
        if random.random() < 1 / 2 if is_member == is_granted else is_granted:
            is_permitted = is_granted and not is_member
            return Change("membership", not is_member, pk, group, is_permitted)
        is_permitted = is_member and not is_granted
        return Change("permission", not is_granted, permission, group, is_permitted)

    def apply(self, change: Change) -> None:
        """Write and commit as a service that knows of no cache."""
        self._users.execute(WRITE[change.kind, change.is_added], change.pk, change.group)

    def close(self) -> None:
        """Disconnect."""
        self._users.close()
