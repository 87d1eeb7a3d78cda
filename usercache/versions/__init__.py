"""Look up a user who is at least as new as one that the caller has seen elsewhere.

Note [Versions]
---------------
`USERCACHE_VERSION_FIELD` names a column that PostgreSQL's trigger raises with each change of a
cached column. A service that has seen version 7 of a user (in its own write, a message, a replica)
names it with its next question. If the cached record is older, the row is loaded from the database
that is written to, and the record dropped for everybody. So the answer is never older than what was
seen, even where the cache doesn't know of the write yet: raw SQL before the relay hears of it, an
outage of Redis.

Any client may name any version. One that the database doesn't have is refused, and for
`REFUSAL_SECONDS` nothing later than the cached record costs a query for the same user. So a client
that makes versions up costs a query per second and process. Refusals are remembered for
`REMEMBERED_REFUSALS` users.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from django.core.exceptions import ImproperlyConfigured

from usercache.clocks import boot_time
from usercache.codec import Codec, get_codec
from usercache.conf import conf
from usercache.events import VERSION_RELOADS, VERSIONS_REFUSED
from usercache.identifiers import PK, clean_pk, find_unique_column, normalise
from usercache.instances.building import build
from usercache.keys import record_key
from usercache.orm.loading import load
from usercache.runtime import get_store
from usercache.users import get_user_by

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

REFUSAL_SECONDS: Final = 1.0
REMEMBERED_REFUSALS: Final = 10_000


class VersionNotFoundError(Exception):
    """Raised if the database doesn't have the version: not yet, or it was made up."""


class Refusals:
    """The users whose version was requested and isn't in the database, for a second each."""

    def __init__(self, clock: Callable[[], float] = boot_time) -> None:
        """Start without any."""
        self._clock = clock
        self._lock = threading.Lock()
        self._until = OrderedDict[object, float]()

    def note(self, user: object) -> None:
        """Refuse from now on."""
        with self._lock:
            self._until[user] = self._clock() + REFUSAL_SECONDS
            self._until.move_to_end(user)
            while len(self._until) > REMEMBERED_REFUSALS:
                self._until.popitem(last=False)

    def is_refused(self, user: object) -> bool:
        """Return whether no query should be made."""
        return self._clock() < self._until.get(user, 0.0)


@cache
def get_refusals() -> Refusals:
    """Return this process's."""
    return Refusals()


def get_user_at_version(column: str, value: object, version: int) -> "User | None":
    """Return the user with this value in a unique column, as of this version or a later one.

    As `get_user_by()`, and one query if the cached record is older. None if there is no such user.

    Raises:
        VersionNotFoundError: the database has only an older row.
        ImproperlyConfigured: as `get_user_by()`, or USERCACHE_VERSION_FIELD is not set.
    """
    if not conf.USERCACHE_VERSION_FIELD:
        raise ImproperlyConfigured(
            "Set USERCACHE_VERSION_FIELD to the column that counts a user's changes."
        )
    user = get_user_by(column, value)
    if version_of(user) < version and conf.USERCACHE_ENABLED:
        user = _catch_up(user, column, value, version)
    if user is not None and version_of(user) < version:
        get_store().events.count(VERSIONS_REFUSED)
        raise VersionNotFoundError
    return user


def version_of(user: "User | None") -> int:
    """Return the user's version; 0 for no user."""
    return 0 if user is None else int(getattr(user, conf.USERCACHE_VERSION_FIELD))


def _catch_up(cached: "User | None", column: str, value: object, version: int) -> "User | None":
    store, refusals, asked = get_store(), get_refusals(), (column, str(value))
    if refusals.is_refused(asked):
        return cached
    loaded = _load(get_codec(), column, value)
    store.events.count(VERSION_RELOADS)
    if version_of(loaded) < version:
        refusals.note(asked)
    # A version that was made up costs others no record.
    if version_of(loaded) != version_of(cached):
        store.invalidate([record_key(user.pk) for user in (loaded, cached) if user is not None])
    return loaded


def _load(codec: Codec, column: str, value: object) -> "User | None":
    name = find_unique_column(codec.model, codec.field_set, column) or PK
    clean = partial(clean_pk, codec.model) if name == PK else partial(normalise, codec.model, name)
    known = clean(value)
    values = None if known is None else load(codec, {name: known})
    return None if values is None else build(codec, values)


# A lock that another thread held at the fork is never released in the child.
os.register_at_fork(after_in_child=get_refusals.cache_clear)
