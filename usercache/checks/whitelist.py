"""Checks of the whitelist against the user model: no secrets, only cacheable columns."""

import re
from collections.abc import Iterator
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections, models, router

from usercache.codec import is_cacheable, target_of
from usercache.conf import conf
from usercache.instances.fingerprints import PASSWORD
from usercache.orm.querysets import CachedUserQuerySet

CASE_BLIND: Final = "mysql"
"""The vendor whose default collation ignores case."""

COLUMN_SETTINGS: Final = (
    "USERCACHE_VERSION_FIELD",
    "USERCACHE_TOKEN_VERSION_FIELD",
    "USERCACHE_ENDED_SESSIONS_FIELD",
)
"""Each names a cached column, or none."""

SECRET_NAMES: Final = re.compile(
    r"passw|secret|(^|_)(hash|otp|totp|mfa|2fa|salt|pin|cvv|ssn|credential|private)(_|$|es$|s$)"
    r"|(api|private|access|signing|secret|encryption)_?key|token(?!_version$)",
    re.IGNORECASE,
)


def check_fields(**_kwargs: Any) -> list[CheckMessage]:
    """Check the whitelist against the user model (E005 to E008, E053)."""
    model, messages = get_user_model(), list[CheckMessage]()
    fields = conf.USERCACHE_FIELDS
    for name in fields:
        messages += _check_field(model, name)
    messages += _check_required(model)
    has_password = any(field.attname == PASSWORD for field in model._meta.concrete_fields)
    if conf.USERCACHE_PASSWORD_FINGERPRINT and not has_password:
        messages.append(
            Error(
                f"USERCACHE_PASSWORD_FINGERPRINT is on, and {model._meta.label} has no column "
                f"'{PASSWORD}'.",
                hint="Switch it off.",
                id="usercache.E053",
            )
        )
    return messages


def check_version(**_kwargs: Any) -> list[CheckMessage]:
    """Check that a trigger can count the changes of a user in their version (E074)."""
    model, name = get_user_model(), conf.USERCACHE_VERSION_FIELD
    columns = {field.attname: field for field in model._meta.concrete_fields}
    version = columns.get(name)
    if version is None:  # none is wanted, or E008 says that it is missing
        return []
    others = [columns[f] for f in conf.USERCACHE_FIELDS if f in columns]
    if isinstance(version, models.IntegerField) and all(
        field.primary_key or field.model is version.model for field in others
    ):
        return []
    return [
        Error(
            f"USERCACHE_VERSION_FIELD: '{name}' is no integer column in the table of all other "
            "cached columns.",
            hint="Name a PositiveBigIntegerField with default and db_default 1, in the model of "
            'the other cached columns; or "" for none.',
            id="usercache.E074",
        )
    ]


def check_key(**_kwargs: Any) -> list[CheckMessage]:
    """Check that every form of a primary key is one key of the cache (E047)."""
    model = get_user_model()
    field = target_of(model._meta.pk)
    # PostgreSQL's triggers tell what the column holds.
    is_converted = hasattr(field, "from_db_value")
    if not is_converted and _has_one_form(field, connections[router.db_for_write(model)].vendor):
        return []
    fault = (
        "whose values aren't those of its column"
        if is_converted
        else "of which the database may take two forms for one"
    )
    return [
        Error(
            f"The primary key of {model._meta.label} is a {type(field).__name__}, {fault}.",
            hint="Use integers, UUIDs, or text without a collation of its own, as the database "
            "returns them. A write of a user under one form would not invalidate the other.",
            id="usercache.E047",
        )
    ]


def _has_one_form(field: "models.Field[Any, Any]", vendor: str) -> bool:
    if isinstance(field, models.IntegerField | models.UUIDField):
        return True
    is_text = isinstance(field, models.CharField | models.TextField)
    return is_text and not getattr(field, "db_collation", None) and vendor != CASE_BLIND


def check_query_set(**_kwargs: Any) -> list[CheckMessage]:
    """Check that the user model's bulk writes are announced (W016)."""
    model = get_user_model()
    if isinstance(model._default_manager.all(), CachedUserQuerySet):
        return []
    return [
        CheckWarning(
            f"The default manager of {model._meta.label} doesn't announce bulk writes.",
            hint="Build it from usercache.orm.querysets.CachedUserQuerySet, or call "
            "invalidate_user() after every update(), bulk_update() and bulk_create().",
            id="usercache.W016",
        )
    ]


def _check_required(model: type[models.Model]) -> Iterator[CheckMessage]:
    columns = {field.attname for field in model._meta.concrete_fields}
    # Where it is no column, Django's own `is_active` is always True.
    always = {model._meta.pk.attname, *({"is_active"} & columns)}
    for name in sorted(always - set(conf.USERCACHE_FIELDS)):
        yield Error(
            f"USERCACHE_FIELDS lacks '{name}', which every request needs.",
            hint="Add it.",
            id="usercache.E008",
        )
    for setting in COLUMN_SETTINGS:
        name = getattr(conf, setting)
        if name and name not in conf.USERCACHE_FIELDS:
            is_column = name in columns
            yield Error(
                f"USERCACHE_FIELDS lacks '{name}', which {setting} names.",
                hint="Add it." if is_column else f'The model has no such column: {setting} = "".',
                id="usercache.E008",
            )


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
