"""Checks of the whitelist against the user model: no secret, nothing that can't be cached."""

import re
from collections.abc import Iterator
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import models

from usercache.codec import is_cacheable
from usercache.conf import conf
from usercache.keys import IDENTIFIERS
from usercache.querysets import CachedUserQuerySet

SECRET_NAMES: Final = re.compile(
    r"passw|secret|(^|_)(hash|otp|totp|mfa|2fa|salt|pin|cvv|ssn|credential|private)(_|$|es$|s$)"
    r"|(api|private|access|signing|secret|encryption)_?key|token(?!_version$)",
    re.IGNORECASE,
)


def check_fields(**_kwargs: Any) -> list[CheckMessage]:
    """Check the whitelist against the user model (E005 to E009)."""
    model, messages = get_user_model(), list[CheckMessage]()
    fields = conf.USERCACHE_FIELDS
    for name in fields:
        messages += _check_field(model, name)
    pk = model._meta.pk.attname
    required = {pk, "is_active", conf.USERCACHE_TOKEN_VERSION_FIELD} - {""}
    for name in sorted(required - set(fields)):
        messages.append(
            Error(
                f"USERCACHE_FIELDS lacks '{name}', which every request needs.",
                hint="Add it. A user model without token versions sets "
                'USERCACHE_TOKEN_VERSION_FIELD = "".',
                id="usercache.E008",
            )
        )
    for name in IDENTIFIERS:
        if name in fields and not _is_unique(model, name):
            messages.append(
                Error(
                    f"'{name}' is not unique, so nobody can be looked up by it.",
                    hint=f"Make the field unique, or take '{name}' off USERCACHE_FIELDS.",
                    id="usercache.E009",
                )
            )
    return messages


def check_query_set(**_kwargs: Any) -> list[CheckMessage]:
    """Check that the user model's bulk writes are announced (W016)."""
    model = get_user_model()
    if isinstance(model._default_manager.all(), CachedUserQuerySet):
        return []
    return [
        CheckWarning(
            f"The default manager of {model._meta.label} doesn't announce bulk writes.",
            hint="Build it from usercache.querysets.CachedUserQuerySet, or call "
            "invalidate_user() after every update(), bulk_update() and bulk_create().",
            id="usercache.W016",
        )
    ]


def _check_field(model: type[models.Model], name: str) -> Iterator[CheckMessage]:
    columns = {field.attname: field for field in model._meta.concrete_fields}
    if name not in columns:
        yield Error(
            f"USERCACHE_FIELDS: {model._meta.label} has no column '{name}'.",
            hint=f"Its columns are {', '.join(columns)}.",
            id="usercache.E005",
        )
        return
    if SECRET_NAMES.search(name):
        yield Error(
            f"USERCACHE_FIELDS: '{name}' looks like a secret, and secrets are never cached.",
            hint="Take it off; reading it from a cached user costs one query.",
            id="usercache.E006",
        )
    if not is_cacheable(columns[name]):
        yield Error(
            f"USERCACHE_FIELDS: '{name}' is a {type(columns[name]).__name__}, which can't be "
            "cached.",
            hint="Take it off; reading it from a cached user costs one query.",
            id="usercache.E007",
        )


def _is_unique(model: type[models.Model], name: str) -> bool:
    field = model._meta.get_field(name)
    alone = [constraint.fields for constraint in model._meta.total_unique_constraints]
    return bool(getattr(field, "unique", False)) or (name,) in alone
