"""Run tests of the core by another interpreter: `python -m tests.project PYTHON [TEST...]`.

For `make drivers`, whose interpreter has another driver, of PostgreSQL or, with `--mariadb` before
it, of MariaDB. The servers are started by this one, unless `DATABASE_URL` and `REDIS_URL` are
given.
"""

import os
import secrets
import subprocess
import sys
from typing import Final

from tests.project.core import CORE, OF_PLAIN_USER, WITH_REDIS, command_of, environment_of
from tests.servers.stack import PROJECT, Stack

KEY_VARIABLES: Final = ("SECRET_KEY", "USERCACHE_SIGNING_KEY")
KEY_BYTES: Final = 48
MODEL: Final = "PlainUser"
RUN_SECONDS: Final = 3600


def main() -> int:
    """Run those named, or all, and return pytest's exit code."""
    arguments, database, tests = sys.argv[1:], "DATABASE_URL", [*CORE, *WITH_REDIS]
    if arguments[0] == "--mariadb":
        arguments, database = arguments[1:], "MARIADB_URL"
    else:
        tests += OF_PLAIN_USER
    python, *names = arguments
    wanted = {"DATABASE_URL": database, "REDIS_URL": "REDIS_URL"}
    with Stack([server for name, server in wanted.items() if not os.environ.get(name)]) as stack:
        urls = {name: stack.urls[server] for name, server in wanted.items() if server in stack.urls}
        keys = {name: secrets.token_urlsafe(KEY_BYTES) for name in KEY_VARIABLES}
        answer = subprocess.run(
            command_of(names or tests, python),
            cwd=PROJECT,
            env=environment_of(
                MODEL,
                **keys,
                **urls,
                TEST_DIRECTORY=str(stack.directory),
                TEST_DATABASE="drivers",
            ),
            check=False,
            timeout=RUN_SECONDS,
        )
    return answer.returncode


if __name__ == "__main__":
    raise SystemExit(main())
