"""Checks that what answers from the cache is what Django would answer."""

from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from usercache.conf import conf
from usercache.permissions.backends import CachedPermissionsMixin
from usercache.permissions.links import find_user_links

BYPASSED: Final = (
    "_get_user_permissions",
    "_get_group_permissions",
    "_get_permissions",
    "_aget_permissions",
)
"""The methods of ModelBackend that aren't called for a cached user."""
SUPERUSER: Final = "is_superuser"
"""What a permission depends on besides `is_active`, which E008 asks for."""


def check_backends(**_kwargs: Any) -> list[CheckMessage]:
    """Check that a backend uses the cache, and has no rules of its own past it (W070, E071)."""
    backends = _cached_backends()
    if not backends:
        return [
            CheckWarning(
                "usercache.permissions is installed, and no backend uses it.",
                hint="Put usercache.permissions.backends.CachedModelBackend into "
                "AUTHENTICATION_BACKENDS instead of Django's ModelBackend, or derive yours from "
                "CachedPermissionsMixin.",
                id="usercache.W070",
            )
        ]
    messages = list[CheckMessage]()
    for kind in backends:
        own = [name for name in BYPASSED if getattr(kind, name) is not getattr(ModelBackend, name)]
        if own:
            messages.append(
                Error(
                    f"{kind.__module__}.{kind.__qualname__} overrides {', '.join(own)}, which "
                    "isn't asked for a cached user.",
                    hint="Override get_user_permissions() or get_group_permissions() instead, or "
                    "don't derive it from CachedPermissionsMixin.",
                    id="usercache.E071",
                )
            )
    return messages


def check_columns(**_kwargs: Any) -> list[CheckMessage]:
    """Check that each permission costs no query for a column of its user (E072)."""
    if SUPERUSER in conf.USERCACHE_FIELDS or not _cached_backends():
        return []
    return [
        Error(
            f"USERCACHE_FIELDS lacks {SUPERUSER}, which each permission depends on.",
            hint="Add it: each request that asks for a permission would query the database for it.",
            id="usercache.E072",
        )
    ]


def check_user_model(**_kwargs: Any) -> list[CheckMessage]:
    """Check that the user's groups and permissions are Django's own (E073)."""
    model = get_user_model()
    found = {name: find_user_links(model, name) for name in ("groups", "user_permissions")}
    foreign = [
        name
        for name, links in found.items()
        if links is None or not links.through._meta.auto_created
    ]
    if not foreign or not _cached_backends():
        return []
    return [
        Error(
            f"{model._meta.label}.{' and '.join(foreign)} isn't as in Django's PermissionsMixin: "
            "it's missing, refers to another model, or has a table of its own.",
            hint="Take usercache.permissions out of INSTALLED_APPS, and its backend out of "
            "AUTHENTICATION_BACKENDS.",
            id="usercache.E073",
        )
    ]


def _cached_backends() -> list[type]:
    backends = [type(load_backend(path)) for path in settings.AUTHENTICATION_BACKENDS]
    return [kind for kind in backends if issubclass(kind, CachedPermissionsMixin)]
