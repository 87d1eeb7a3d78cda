"""Checks of which rows are users: those the default manager hides, and tenants."""

from collections.abc import Iterator
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.db import connections, models
from django.db.models.expressions import Col, Value
from django.db.models.sql import Query

from usercache.conf import conf
from usercache.orm.outbox import get_alias


def check_managers(**_kwargs: Any) -> list[CheckMessage]:
    """Check that managers hide users by cached columns (E043), and alike (E044)."""
    model, messages = get_user_model(), list[CheckMessage]()
    default = cast(Any, model._default_manager)
    reason = _find_unwatched(default.all().query, set(conf.USERCACHE_FIELDS))
    if reason is not None:
        messages.append(
            Error(
                f"The default manager of {model._meta.label} hides users by {reason}, whose "
                "changes the cache misses: a user that is hidden later would still be served.",
                hint="Filter by columns of the user's own row that USERCACHE_FIELDS names; or "
                "have an unfiltered manager first, and refuse such users by "
                "SIMPLE_JWT['USER_AUTHENTICATION_RULE'].",
                id="usercache.E043",
            )
        )
    objects = cast(Any, getattr(model, "objects", default))
    if objects.all().query.where != default.all().query.where:
        messages.append(
            Error(
                f"{model._meta.label}.objects, where simplejwt finds users, and its default "
                f"manager '{default.name}', where the cache finds them, show different rows.",
                hint='Set Meta.default_manager_name = "objects", or have neither hide users.',
                id="usercache.E044",
            )
        )
    return messages


def check_tenants(**_kwargs: Any) -> list[CheckMessage]:
    """Check that users aren't another tenant's under the same key (E045)."""
    if not hasattr(connections[get_alias()], "schema_name") or _is_shared_by_tenants():
        return []
    return [
        Error(
            "Each tenant has a user table in a schema of its own, and the cache one key for each "
            "primary key: a user would be served to other tenants.",
            hint="Put the user model's app into SHARED_APPS and not into TENANT_APPS, or "
            "authenticate with simplejwt's own JWTAuthentication.",
            id="usercache.E045",
        )
    ]


def _find_unwatched(query: Query, watched: set[str]) -> str | None:
    # What else than watched columns of their own the rows depend on; None for nothing.
    if query.combinator or query.is_sliced or query.group_by is not None or query.extra:
        return "more than a filter"
    if len(query.alias_map) > 1:
        return "other tables' rows"
    for leaf in _find_leaves(query.where):
        if isinstance(leaf, Col):
            if leaf.target.attname not in watched:
                return f"'{leaf.target.attname}', which isn't in USERCACHE_FIELDS,"
        elif not isinstance(leaf, Value):
            return f"an expression ({type(leaf).__name__})"
    return None


def _find_leaves(expression: Any) -> Iterator[object]:
    if isinstance(expression, Query) or not hasattr(expression, "get_source_expressions"):
        yield expression
        return
    sources = [part for part in expression.get_source_expressions() if part is not None]
    if not sources and not isinstance(expression, models.sql.where.WhereNode):
        yield expression
    for part in sources:
        yield from _find_leaves(part)


def _is_shared_by_tenants() -> bool:
    config = cast(Any, apps.get_app_config(get_user_model()._meta.app_label))
    names = {config.name, f"{type(config).__module__}.{type(config).__qualname__}"}
    return not names.isdisjoint(getattr(settings, "SHARED_APPS", ())) and names.isdisjoint(
        getattr(settings, "TENANT_APPS", ())
    )
