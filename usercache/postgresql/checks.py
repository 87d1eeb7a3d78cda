"""Checks of the triggers and of notifications, which query the database."""

from collections.abc import Collection
from typing import Any

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.db import connections

from usercache.checks import once_settings_are_typed
from usercache.codec import get_codec
from usercache.conf import conf
from usercache.orm.outbox import get_alias
from usercache.postgresql import triggers
from usercache.postgresql.labels import names_of_tables
from usercache.postgresql.notifications import hears_notifications


@once_settings_are_typed
def check_triggers(*, databases: Collection[str] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Check that triggers watch the columns of the settings (W017, W027).

    Run by `migrate` and by `check --database`, since it queries the database.
    """
    alias = get_alias()
    connection = connections[alias]
    if alias not in (databases or ()):
        return []
    codec = get_codec()
    if not triggers.has_outbox(connection) or triggers.is_installed(connection, codec):
        return []
    if not triggers.can_be_installed(connection, codec):
        names = ", ".join(names_of_tables(codec))
        return [
            CheckWarning(
                f"Triggers can't note changes of what is cached of {names}.",
                hint="Each of these must be an ordinary table of this database, and its key that "
                "of the user. Until then, call invalidate_user() after each change past the ORM.",
                id="usercache.W027",
            )
        ]
    return [
        CheckWarning(
            "The triggers are missing, disabled, or watch other tables and columns than those of "
            "USERCACHE_FIELDS and INSTALLED_APPS.",
            hint="Run manage.py migrate, which installs them again. What was changed while they "
            "were disabled wasn't noted: call invalidate_all_users() as well.",
            id="usercache.W017",
        )
    ]


@once_settings_are_typed
def check_notifications(*, databases: Collection[str] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Check that the relay is notified (W050). Run with `check_triggers`, and one more query."""
    alias = conf.USERCACHE_LISTEN_ALIAS or get_alias()
    if alias not in (databases or ()) or connections[alias].vendor != "postgresql":
        return []
    if hears_notifications(connections[alias]):
        return []
    return [
        CheckWarning(
            "A connection pooler passes no notifications on: cache_relay looks for changes past "
            "the ORM every 0.5 seconds (--poll), and while Redis isn't used, another process's "
            f"change shows within {conf.USERCACHE_MEMORY_TTL_SECONDS:g} seconds "
            "(USERCACHE_MEMORY_TTL_SECONDS).",
            hint="Name an alias of DATABASES in USERCACHE_LISTEN_ALIAS that leads to the same "
            "database past the pooler.",
            id="usercache.W050",
        )
    ]
