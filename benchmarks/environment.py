"""The servers that all contenders are measured on, and the processes that use them."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import psycopg
import redis

from benchmarks.child import Child
from benchmarks.contenders import Contender
from benchmarks.users import create_users
from tests.fleet.environment import make_environment, migrate
from tests.servers.stack import PROJECT, Stack

TEMPLATE: Final = "users_template"
THREADS: Final = 4
"""Of each process that serves or makes load."""

PROGRAM: Final = """
import django
django.setup()
from benchmarks.workloads.commands import COMMANDS
from benchmarks.service import serve
serve(COMMANDS)
"""
DROP_TRIGGERS: Final = """
DROP TRIGGER IF EXISTS usercache_note_update ON users;
DROP TRIGGER IF EXISTS usercache_note_delete ON users;
"""


class Environment:
    """PostgreSQL and Redis of our own, with users: `with Environment(1000) as environment: …`."""

    def __init__(self, users: int) -> None:
        """Choose how many users there are."""
        self.users = users
        self.first_id = 0
        self._databases: set[str] = set()
        self._logs = 0
        self._stack = ExitStack()

    def database_url(self, contender: Contender, port: int | None = None) -> str:
        """Return the URL of the contender's own database, made on first use.

        With `port`, by way of whatever listens there. Triggers note changes for usercache alone.
        """
        name = "".join(c for c in contender.label if c.isalnum())
        if name not in self._databases:
            self._create_database(name, contender)
            self._databases.add(name)
        return self._url_of(name, port)

    def variables(self, contender: Contender, port: int | None = None) -> dict[str, str]:
        """Return the environment of a process of this contender's."""
        return {
            **self._variables,
            **contender.environment,
            "DATABASE_URL": self.database_url(contender, port),
        }

    def run_program(self, source: str, contender: Contender, **variables: str) -> Child:
        """Start a process of this contender's own code; for a `with`."""
        environment = {**self.variables(contender), **variables}
        return Child(source, environment, self.new_log(), contender.checkout)

    def start(self, contender: Contender, **variables: str) -> Child:
        """Start a process with Django set up as this contender has it; for a `with`."""
        return self.run_program(PROGRAM, contender, **variables)

    def new_log(self) -> Path:
        """Name a file for the complaints of one more process."""
        self._logs += 1
        return self.directory / f"benchmark-{self._logs}.log"

    def new_directory(self) -> Path:
        """Make a folder for one more server."""
        self._logs += 1
        directory = self.directory / f"benchmark-{self._logs}"
        directory.mkdir()
        return directory

    def flush_redis(self) -> None:
        """Let Redis forget everything."""
        self.redis.execute_command("FLUSHALL", "SYNC")

    def count_gets(self) -> int:
        """Return how many GETs Redis has had."""
        statistics: dict[str, Any] = self.redis.info("commandstats")
        return int(statistics.get("cmdstat_get", {}).get("calls", 0))

    @property
    def signing_key(self) -> str:
        """The key of access tokens."""
        return self._variables["JWT_SIGNING_KEY"]

    def __enter__(self) -> Self:
        """Start the servers and add the users."""
        with ExitStack() as stack:
            servers = stack.enter_context(Stack(["DATABASE_URL", "REDIS_URL"]))
            self.directory = servers.directory
            self.superuser_url = servers.urls["DATABASE_URL"]
            self.redis_url = servers.urls["REDIS_URL"]
            self.redis = stack.enter_context(redis.Redis.from_url(self.redis_url))
            self._variables = self._make_environment()
            self._execute(self._url_of("postgres"), f"CREATE DATABASE {TEMPLATE}")
            migrate(self._variables)
            self.first_id = create_users(self._url_of(TEMPLATE), self.users)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop them."""
        self._stack.close()

    def _create_database(self, name: str, contender: Contender) -> None:
        if contender.checkout == PROJECT:
            self._execute(self._url_of("postgres"), f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
        else:  # another commit may have other migrations
            self._execute(self._url_of("postgres"), f'CREATE DATABASE "{name}"')
            # It may not know of all limits, either.
            variables = {**self._variables, **contender.environment}
            migrate(variables | {"DATABASE_URL": self._url_of(name)}, contender.checkout)
            create_users(self._url_of(name), self.users)
        if not contender.is_ours:
            self._execute(self._url_of(name), DROP_TRIGGERS)

    def _make_environment(self) -> Mapping[str, str]:
        product = make_environment(self.directory, self._url_of(TEMPLATE), self.redis_url)
        # What the caller's own environment says of the cache must not decide what is measured.
        return {
            **{name: value for name, value in product.items() if not name.startswith("USERCACHE_")},
            "USERCACHE_SIGNING_KEY": product["USERCACHE_SIGNING_KEY"],
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            # With one for the audit and one for acknowledgements: threads that make load keep
            # theirs to the end of a round, and one that got none would hold a fill lock or a lock
            # for as long.
            "DATABASE_POOL_MAX_CONNECTIONS": str(THREADS + 2),
        }

    def _url_of(self, database: str, port: int | None = None) -> str:
        address = urlsplit(self.superuser_url)
        login, _, _ = address.netloc.rpartition("@")
        return f"postgres://{login}@{address.hostname}:{port or address.port}/{database}"

    def _execute(self, url: str, statement: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)
