"""An examination of all that the cache depends on: settings, database, Redis."""

from collections.abc import Iterable, Iterator
from typing import Final

from django.core.checks import CheckMessage, run_checks
from django.core.checks.messages import ERROR, WARNING
from django.db import Error as AnyDatabaseError
from django.db import connections

from usercache.conf import conf
from usercache.management.findings import Finding, Level, error, good, warning
from usercache.management.relay import get_backlog
from usercache.management.units import format_span
from usercache.orm.outbox import WRITER_GRACE, get_alias, journal_of

ID_PREFIX: Final = "usercache."
SETTINGS: Final = "settings"
MEMORY: Final = "process memory"


def examine() -> Iterator[Finding]:
    """Yield what is found, servers by trying. Some queries, and round trips to each Redis."""
    yield from _examine_settings()
    for alias in dict.fromkeys((get_alias(), conf.USERCACHE_LISTEN_ALIAS or get_alias())):
        yield from _examine_database(alias)
    if conf.USERCACHE_REDIS_ALIAS:
        # Here, so that a project without Redis needs no redis-py.
        from usercache.management import redis_doctor  # noqa: PLC0415

        yield from redis_doctor.examine(conf.USERCACHE_REDIS_ALIAS)
    else:
        yield good("redis", "none is configured")
    yield _examine_memory()


def _examine_settings() -> Iterator[Finding]:
    found = list(_as_findings(SETTINGS, run_checks(include_deployment_checks=True)))
    yield from found or [good(SETTINGS, "pass every check of usercache")]


def _examine_database(alias: str) -> Iterator[Finding]:
    subject, connection = f"database {alias}", connections[alias]
    try:
        connection.ensure_connection()
        version = ".".join(map(str, connection.get_database_version()))
        yield good(subject, f"{connection.display_name} {version}")
        messages = run_checks(databases=[alias])
        static = run_checks()
        found = list(_as_findings(subject, [m for m in messages if m not in static]))
        yield from found or [good(subject, "passes every check that asks it")]
        if alias == get_alias():
            yield _examine_outbox(subject)
    except AnyDatabaseError as caught:
        yield error(
            subject,
            f"can't be asked: {str(caught).splitlines()[0]}",
            "Correct DATABASES, run manage.py migrate, or start the server.",
        )


def _examine_memory() -> Finding:
    has_redis = bool(conf.USERCACHE_REDIS_ALIAS)
    reason = _why_unreported()
    if not reason:
        return good(
            MEMORY,
            "while Redis can't be used, PostgreSQL reports what other processes change"
            if has_redis
            else "PostgreSQL reports what other processes change",
        )
    late = (
        f"another process's change shows within {conf.USERCACHE_MEMORY_TTL_SECONDS:g} s "
        f"(USERCACHE_MEMORY_TTL_SECONDS): {reason}"
    )
    if has_redis:
        return good(MEMORY, f"while Redis can't be used, {late}")
    return warning(
        MEMORY,
        late,
        "Name a django-redis alias in USERCACHE_REDIS_ALIAS, unless that is soon enough.",
    )


def _why_unreported() -> str:
    if not conf.USERCACHE_L1_MAX_ENTRIES:
        return "USERCACHE_L1_MAX_ENTRIES is 0"
    try:
        return journal_of(connections[get_alias()]).why_unreported()
    except AnyDatabaseError:  # which is a finding of its own
        return "the database can't be asked"


def _examine_outbox(subject: str) -> Finding:
    waiting, oldest_seconds = get_backlog()
    said = f"{waiting:,} changes wait in the outbox, the oldest for {format_span(oldest_seconds)}"
    if oldest_seconds > WRITER_GRACE.total_seconds():
        return warning(subject, said, "See that manage.py cache_relay runs.")
    return good(subject, said if waiting else "nothing waits in the outbox")


def _as_findings(subject: str, messages: Iterable[CheckMessage]) -> Iterator[Finding]:
    for message in messages:
        is_ours = str(message.id).startswith(ID_PREFIX) and not message.is_silenced()
        if is_ours and message.level >= WARNING:
            level = Level.ERROR if message.level >= ERROR else Level.WARNING
            yield Finding(subject, level, f"{message.msg} ({message.id})", message.hint or "")
