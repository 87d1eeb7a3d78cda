"""The process that owns a run's servers and files, and outlives the run to remove them."""

import json
import os
import select
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from tests.servers.errors import ServerUnavailableError
from tests.servers.mariadb_server import MariaDBServer
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgresql_server import PostgreSQLServer
from tests.servers.redis_server import RedisServer
from tests.servers.server import Server

Urls = Mapping[str, str]
# The setting that each server gives its URL to.
SERVERS: dict[str, Callable[[Path, Urls], Server]] = {
    "DATABASE_DIRECT_URL": lambda directory, _: PostgreSQLServer(directory),
    "DATABASE_URL": lambda directory, urls: (
        PgBouncer(directory, urls["DATABASE_DIRECT_URL"])
        if "DATABASE_DIRECT_URL" in urls
        else PostgreSQLServer(directory)
    ),
    "MARIADB_URL": lambda directory, _: MariaDBServer(directory),
    "REDIS_URL": lambda directory, _: RedisServer(directory),
}
PARENT_CHECK_SECONDS = 0.5


def supervise(variables: Sequence[str], commands: TextIO, answers: TextIO) -> int:
    """Start a server per variable, answer with one line of JSON, and stop them when told.

    The line is `{"directory": "/tmp/...", "urls": {"REDIS_URL": "redis://..."}}`, or
    `{"error": "what to do"}`. Told means: anything to read from `commands`, its end, or the end of
    the process that started this one, however that came about.
    """
    parent = os.getppid()
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory(prefix="hiremebahamas-tests-"))
        directory = Path(root)
        urls = dict[str, str]()
        try:
            for variable in variables:
                server_directory = directory / variable.lower()
                server_directory.mkdir()
                server = SERVERS[variable](server_directory, urls)
                urls[variable] = stack.enter_context(server).url
        except ServerUnavailableError as error:
            print(json.dumps({"error": str(error)}), file=answers, flush=True)
            return 1
        print(json.dumps({"directory": root, "urls": urls}), file=answers, flush=True)
        # A child forked by the tests may hold the pipe open after them, hence the second question.
        while os.getppid() == parent:
            if select.select([commands], [], [], PARENT_CHECK_SECONDS)[0]:
                break
    return 0


def _leave(signal_number: int, frame: object) -> None:
    sys.exit(128 + signal_number)
