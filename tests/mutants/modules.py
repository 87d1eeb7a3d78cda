"""Which tests must notice a change of which module."""

from typing import Final

MODULES: Final[dict[str, tuple[str, ...]]] = {
    "usercache/keys.py": (
        "tests/usercache/test_keys.py",
        "tests/usercache/instances/test_building.py",
    ),
    "usercache/codec.py": (
        "tests/usercache/test_codec.py",
        "tests/usercache/instances/test_building.py",
    ),
    "usercache/instances/fingerprints.py": ("tests/usercache/instances/test_fingerprints.py",),
    "usercache/instances/columns.py": (
        "tests/usercache/instances/test_columns.py",
        "tests/usercache/instances/test_kinds_of_columns.py",
        "tests/usercache/auth/test_simplejwt_settings.py",
    ),
    "usercache/permissions/checks.py": ("tests/usercache/permissions/test_checks.py",),
    "usercache/management/switch.py": ("tests/usercache/management/test_switch.py",),
    "usercache/auth/verified_tokens.py": ("tests/usercache/auth/test_verified_tokens.py",),
    "usercache/backends/breaker.py": ("tests/usercache/backends/test_breaker.py",),
    "usercache/backends/lua.py": (
        "tests/usercache/backends/test_backends.py",
        "tests/usercache/backends/test_lifetimes.py",
        "tests/usercache/tracking/test_publishing.py",
    ),
    "usercache/lookup.py": (
        "tests/usercache/test_lookup.py",
        "tests/usercache/test_batch_lookup.py",
        "tests/usercache/test_backend_choice.py",
        "tests/usercache/management/test_switch.py",
    ),
    "usercache/versions/__init__.py": ("tests/accounts/services/test_user_versions.py",),
    "usercache/backends/choice.py": (
        "tests/usercache/test_backend_choice.py",
        "tests/usercache/test_lookup.py",
        "tests/usercache/management/test_switch.py",
    ),
    "usercache/orm/writes.py": (
        "tests/usercache/orm/test_writes.py",
        "tests/usercache/test_users.py",
        "tests/usercache/orm/test_bulk_writes.py",
        "tests/usercache/postgresql/test_labels.py",
        "tests/usercache/orm/test_renewal.py",
        "tests/usercache/orm/test_outbox.py",
    ),
    "usercache/orm/outbox.py": ("tests/usercache/orm/test_outbox.py",),
    "usercache/postgresql/sql.py": (
        "tests/usercache/postgresql/test_triggers.py",
        "tests/usercache/postgresql/test_trigger_installation.py",
        "tests/usercache/postgresql/test_trigger_tables.py",
        "tests/accounts/services/test_user_versions.py",
    ),
    "usercache/postgresql/labels.py": ("tests/usercache/postgresql/test_labels.py",),
    "usercache/postgresql/acknowledging.py": ("tests/usercache/postgresql/test_acknowledging.py",),
    "usercache/orm/loading.py": ("tests/usercache/orm/test_loading.py",),
    "usercache/postgresql/triggers.py": (
        "tests/usercache/postgresql/test_triggers.py",
        "tests/usercache/postgresql/test_trigger_installation.py",
        "tests/usercache/postgresql/test_trigger_tables.py",
    ),
    "usercache/backends/resilient.py": (
        "tests/usercache/backends/test_resilient.py",
        "tests/usercache/backends/test_recovery.py",
        "tests/usercache/management/test_switch.py",
    ),
    "usercache/l1/cache.py": ("tests/usercache/l1/test_cache.py",),
    "usercache/l1/memory.py": ("tests/usercache/l1/test_memory.py",),
    "usercache/postgresql/listening.py": (
        "tests/usercache/postgresql/test_listening.py",
        "tests/usercache/postgresql/test_notifying.py",
    ),
    "usercache/l1/listener.py": (
        "tests/usercache/tracking/test_listening.py",
        "tests/usercache/tracking/test_connecting.py",
        "tests/usercache/tracking/test_listener.py",
    ),
    "usercache/tracking/connection.py": ("tests/usercache/tracking/test_connection.py",),
    "usercache/tracking/reporting.py": (
        "tests/usercache/tracking/test_connection.py",
        "tests/usercache/tracking/test_subscription.py",
    ),
    "usercache/tracking/subscription.py": (
        "tests/usercache/tracking/test_subscription.py",
        "tests/usercache/tracking/test_publishing.py",
    ),
    "usercache/auth/sessions.py": ("tests/usercache/auth/test_sessions.py",),
    "usercache/auth/jwt.py": (
        "tests/usercache/auth/test_jwt.py",
        "tests/usercache/auth/test_simplejwt_settings.py",
        "tests/usercache/auth/test_adding_token_versions.py",
        "tests/accounts/tokens/test_bad_tokens.py",
    ),
    "accounts/services/sessions.py": (
        "tests/accounts/views/test_refresh.py",
        "tests/accounts/views/test_logout.py",
        "tests/accounts/views/test_login.py",
        "tests/accounts/services/test_token_version.py",
        "tests/accounts/services/test_sessions.py",
    ),
}

ALONE: Final = frozenset({"usercache/orm/writes.py", "usercache/postgresql/triggers.py"})
"""What a change of these leaves in the database would be found by the next one's tests, so each
gets a new one."""
