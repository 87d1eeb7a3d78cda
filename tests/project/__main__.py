"""Run tests of the core by another interpreter: `python -m tests.project PYTHON [TEST...]`.

For `make drivers`, whose interpreter has another driver of PostgreSQL. The servers are started by
this one, unless `DATABASE_URL` and `REDIS_URL` are given.
"""

import os
import secrets
import subprocess
import sys
from typing import Final

from tests.project.core import CORE, OF_PLAIN_USER, WITH_REDIS, command_of, environment_of
from tests.servers.stack import PROJECT, Stack

SERVER_VARIABLES: Final = ("DATABASE_URL", "REDIS_URL")
KEY_VARIABLES: Final = ("SECRET_KEY", "USERCACHE_SIGNING_KEY")
KEY_BYTES: Final = 48
MODEL: Final = "PlainUser"
RUN_SECONDS: Final = 3600


def main() -> int:
    """Run those named, or all, and return pytest's exit code."""
    python, *names = sys.argv[1:]
    with Stack([name for name in SERVER_VARIABLES if not os.environ.get(name)]) as stack:
        keys = {name: secrets.token_urlsafe(KEY_BYTES) for name in KEY_VARIABLES}
        answer = subprocess.run(
            command_of(names or (*CORE, *WITH_REDIS, *OF_PLAIN_USER), python),
            cwd=PROJECT,
            env=environment_of(
                MODEL,
                **keys,
                **stack.urls,
                TEST_DIRECTORY=str(stack.directory),
                TEST_DATABASE="drivers",
            ),
            check=False,
            timeout=RUN_SECONDS,
        )
    return answer.returncode


if __name__ == "__main__":
    raise SystemExit(main())
