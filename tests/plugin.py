"""The pytest plugin that gives the settings their servers, before pytest-django imports them."""

import argparse
import os
import secrets
from collections.abc import Iterator

import pytest

from tests.limits import LIFTED
from tests.servers.errors import ServerUnavailableError
from tests.servers.stack import Stack
from tests.servers.versions import describe_postgresql, describe_redis

SERVER_VARIABLES = ("DATABASE_URL", "REDIS_URL")
LACKING = {
    "pooled": ("own_session",),
    "servers": ("pgbouncer",),
    "embedded": ("pgbouncer", "postgresql", "redis"),
}
"""By stack, the marks of tests that need what it doesn't have."""
KEY_VARIABLES = ("SECRET_KEY", "JWT_SIGNING_KEY", "USERCACHE_SIGNING_KEY", "SECOND_FACTOR_KEY")
KEY_BYTES = 48

HEADER = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the choice between the two stacks, and a place for pictures."""
    group = parser.getgroup("hiremebahamas")
    group.addoption(
        "--pictures", metavar="FOLDER", help="where tests/browser/test_screenshots.py puts them"
    )
    group.addoption(
        "--stack",
        choices=tuple(LACKING),
        default="servers",
        help="servers: PostgreSQL and Redis, from DATABASE_URL and REDIS_URL or started for the "
        "run; pooled: the same behind a PgBouncer; embedded: SQLite and the memory backend, "
        "without the tests that need a server",
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Set the environment that the settings read; as a wrapper this runs before pytest-django's.

    Raises: pytest.UsageError if there is no server to test against.
    """
    options = early_config.known_args_namespace
    try:
        if options.stack == "embedded" or options.help or options.version:
            _provide_embedded(early_config)  # the quicker one, since conftest wants settings
        elif _distributes(options):
            _leave_servers_to_workers(early_config)
        else:
            _provide_servers(early_config)
    except ServerUnavailableError as error:
        raise pytest.UsageError(str(error)) from error
    return (yield)


def pytest_report_header(config: pytest.Config) -> str:
    """Show what this run is tested against."""
    return f"stack: {config.stash[HEADER]}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a server that this stack doesn't have."""
    lacking = LACKING[config.option.stack]
    left_out = [item for item in items if any(map(item.get_closest_marker, lacking))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _distributes(options: argparse.Namespace) -> bool:
    # xdist's own process, which runs no test: each of its workers has servers of its own.
    return bool(options.numprocesses) and "PYTEST_XDIST_WORKER" not in os.environ


def _leave_servers_to_workers(config: pytest.Config) -> None:
    if given := [name for name in SERVER_VARIABLES if os.environ.get(name)]:
        raise pytest.UsageError(
            f"Workers can't share a server: unset {' and '.join(given)}, or run with -n 0."
        )
    stack = Stack([])
    config.add_cleanup(stack.stop)
    _provide_environment(stack, {})
    config.stash[HEADER] = "PostgreSQL and Redis (each worker's own)"


def _provide_servers(config: pytest.Config) -> None:
    given = {name: os.environ[name] for name in SERVER_VARIABLES if os.environ.get(name)}
    wanted = [name for name in SERVER_VARIABLES if name not in given]
    if config.known_args_namespace.stack == "pooled":
        wanted.insert(0, "DATABASE_DIRECT_URL")
        os.environ["DATABASE_IS_POOLED"] = "True"
        config.option.reuse_db = True  # the pooler's sessions would keep it from being dropped
    stack = Stack(wanted)
    config.add_cleanup(stack.stop)
    urls = given | stack.urls
    _provide_environment(stack, urls)
    names = (describe_postgresql(urls["DATABASE_URL"]), describe_redis(urls["REDIS_URL"]))
    origins = ("given" if name in given else "own" for name in SERVER_VARIABLES)
    config.stash[HEADER] = ", ".join(f"{n} ({o})" for n, o in zip(names, origins, strict=True))


def _provide_embedded(config: pytest.Config) -> None:
    stack = Stack([])
    config.add_cleanup(stack.stop)
    database = stack.directory / "db.sqlite3"
    _provide_environment(stack, {"DATABASE_URL": f"sqlite:///{database}", "REDIS_URL": ""})
    config.stash[HEADER] = "SQLite and the memory backend (embedded)"


def _provide_environment(stack: Stack, urls: dict[str, str]) -> None:
    os.environ.update(urls)
    # New keys each run, so that nothing can depend on their value.
    os.environ.update({name: secrets.token_urlsafe(KEY_BYTES) for name in KEY_VARIABLES})
    # Most tests are about the backends behind it; those of the client-side cache, and web servers,
    # have it on.
    os.environ["USERCACHE_L1_MAX_ENTRIES"] = "0"
    os.environ["DEBUG"] = "False"
    # A machine that is slow for a moment is no database that hangs.
    os.environ["DATABASE_TIMEOUT_SECONDS"] = "30"
    os.environ["SECURE_SSL_REDIRECT"] = "False"  # as behind a proxy that does it
    os.environ["ALLOWED_HOSTS"] = "testserver,localhost,127.0.0.1"
    # A test of limits sets them; all clients of a test have one address.
    os.environ["AUTH_LIMITS"] = LIFTED
    # By chance, and with a connection of its own to the database: for the tests that ask for it.
    os.environ["USERCACHE_AUDIT_SHARE"] = "0"
    os.environ["TEST_DIRECTORY"] = str(stack.directory)
    os.environ["MEDIA_ROOT"] = str(stack.directory / "media")
