"""Authentication backends that answer for a cached user's permissions from the cache."""

from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend

from usercache.instances.columns import is_cached
from usercache.permissions.records import look_up

if TYPE_CHECKING:
    Base = ModelBackend
else:
    Base = object

OWN: Final = "_user_perm_cache"
BY_GROUPS: Final = "_group_perm_cache"
"""The attributes in which Django's ModelBackend keeps a user's permissions, once it has them."""


class CachedPermissionsMixin(Base):
    """Before a ModelBackend, it has a cached user's permissions looked up instead of queried.

    All that ModelBackend does with them stays its own, and so does the answer for any other user.
    As there, an instance keeps what it was told; the next request's instance asks again.
    """

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the permissions that the user has themselves."""
        if _is_wanted(user_obj, obj):
            _keep(user_obj)
        return super().get_user_permissions(user_obj, obj)

    async def aget_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Do as `get_user_permissions()` without blocking the event loop."""
        if _is_wanted(user_obj, obj):
            await sync_to_async(_keep)(user_obj)
        return await super().aget_user_permissions(user_obj, obj)

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the permissions that the user has by their groups."""
        if _is_wanted(user_obj, obj):
            _keep(user_obj)
        return super().get_group_permissions(user_obj, obj)

    async def aget_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Do as `get_group_permissions()` without blocking the event loop."""
        if _is_wanted(user_obj, obj):
            await sync_to_async(_keep)(user_obj)
        return await super().aget_group_permissions(user_obj, obj)


class CachedModelBackend(CachedPermissionsMixin, ModelBackend):
    """Django's ModelBackend, for AUTHENTICATION_BACKENDS, with permissions from the cache."""


def _is_wanted(user: Any, obj: Any) -> bool:
    # Django answers without a query for anybody else.
    return (
        obj is None
        and is_cached(user)
        and user.is_active
        and not (hasattr(user, OWN) and hasattr(user, BY_GROUPS))
    )


def _keep(user: Any) -> None:
    found = look_up(user, is_superuser=user.is_superuser)
    for name, names in ((OWN, found.own), (BY_GROUPS, found.by_groups)):
        if not hasattr(user, name):
            setattr(user, name, names)
