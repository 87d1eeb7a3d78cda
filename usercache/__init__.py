"""Users from Redis or process memory: never a secret, never older than the last commit."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from usercache.instances.saving import ReadOnlyUserError
    from usercache.users import (
        aget_user_by,
        aget_user_by_email,
        aget_user_by_id,
        aget_user_by_phone,
        aget_user_by_username,
        aget_users_by_ids,
        cache_user,
        get_user_by,
        get_user_by_email,
        get_user_by_id,
        get_user_by_phone,
        get_user_by_username,
        get_users_by_ids,
        invalidate_all_users,
        invalidate_user,
        recall_user_by,
    )

__version__ = "1.0.0"
__all__ = [
    "ReadOnlyUserError",
    "aget_user_by",
    "aget_user_by_email",
    "aget_user_by_id",
    "aget_user_by_phone",
    "aget_user_by_username",
    "aget_users_by_ids",
    "cache_user",
    "get_user_by",
    "get_user_by_email",
    "get_user_by_id",
    "get_user_by_phone",
    "get_user_by_username",
    "get_users_by_ids",
    "invalidate_all_users",
    "invalidate_user",
    "recall_user_by",
]


def __getattr__(name: str) -> Any:
    # On first use: Django imports the package before there are models.
    if name in __all__:
        module = "usercache.instances.saving" if name == "ReadOnlyUserError" else "usercache.users"
        return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
