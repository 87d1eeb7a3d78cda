"""System checks: report at start-up what would make the cache wrong, unsafe or slow."""

from typing import Final

from usercache.checks import backends, exposure, rows, whitelist
from usercache.checks.settings import (
    Check,
    check_settings,
    check_signing_key,
    once_settings_are_typed,
)

__all__ = ["ALL", "DEPLOY", "once_settings_are_typed"]

ALL: Final[tuple[Check, ...]] = (
    check_settings,
    *map(
        once_settings_are_typed,
        (
            check_signing_key,
            whitelist.check_fields,
            whitelist.check_version,
            whitelist.check_key,
            whitelist.check_query_set,
            rows.check_managers,
            rows.check_tenants,
            backends.check_aliases,
            backends.check_shadow,
            backends.check_databases,
            backends.check_listen_alias,
            backends.check_vendor,
        ),
    ),
)
DEPLOY: Final[tuple[Check, ...]] = (once_settings_are_typed(exposure.check_exposure),)
"""Those of `check --deploy` alone."""
