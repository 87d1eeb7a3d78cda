"""System checks: what would make the cache wrong, unsafe or slow is said at start-up."""

from collections.abc import Callable
from typing import Final

from django.core.checks import CheckMessage

from usercache.checks.backends import check_aliases, check_databases, check_triggers
from usercache.checks.exposure import check_exposure
from usercache.checks.faces import check_dashboard, check_metrics
from usercache.checks.settings import check_settings, check_signing_key, check_tracing
from usercache.checks.whitelist import check_fields, check_query_set

__all__ = ["ALL", "DEPLOY", "check_triggers"]

ALL: Final[tuple[Callable[..., list[CheckMessage]], ...]] = (
    check_settings,
    check_signing_key,
    check_tracing,
    check_fields,
    check_query_set,
    check_aliases,
    check_databases,
    check_metrics,
    check_dashboard,
)

DEPLOY: Final[tuple[Callable[..., list[CheckMessage]], ...]] = (check_exposure,)
"""Those of `check --deploy` alone."""
