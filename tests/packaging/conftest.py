"""Fixtures of the package's tests: what was built, and an environment that has only that."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.packaging.instructions import Instructions, read_instructions
from tests.servers.postgresql_server import PostgreSQLServer
from tests.servers.redis_server import RedisServer
from tests.servers.stack import PROJECT

COMMAND_SECONDS = 300
POSTGRESQL_CLIENT = "psycopg[binary]"
"""Of the two that PostgreSQL's users have in their projects already."""
# Of our own process: another project's sees nothing of ours.
KEPT_VARIABLES = ("HOME", "LANG", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE")
FOUND_BY_PIP = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


class Distributions(NamedTuple):
    """What is given to others."""

    wheel: Path
    source: Path


class Environment(NamedTuple):
    """A virtual environment of another project."""

    directory: Path

    def variables(self, **more: str) -> dict[str, str]:
        """Return an environment that knows nothing of this repository."""
        names = (*KEPT_VARIABLES, *FOUND_BY_PIP, *map(str.lower, FOUND_BY_PIP))
        kept = {name: os.environ[name] for name in names if name in os.environ}
        path = f"{self.directory / 'bin'}{os.pathsep}{os.defpath}"
        return {**kept, "PATH": path, "VIRTUAL_ENV": str(self.directory), **more}


def run(command: str, cwd: Path, variables: Mapping[str, str]) -> str:
    """Run a shell command as it is written, and return what it says."""
    answer = subprocess.run(
        command,
        shell=True,
        cwd=cwd,
        env=variables,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
    )
    assert answer.returncode == 0, f"{command}\n{answer.stdout}"
    return answer.stdout


@pytest.fixture(scope="session")
def instructions() -> Instructions:
    """Read what the documentation says."""
    return read_instructions()


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Build the source distribution, and the wheel from it."""
    directory = tmp_path_factory.mktemp("dist")
    command = f"{sys.executable} -m build --no-isolation --outdir {directory} {PROJECT}"
    run(command, directory, os.environ)
    [wheel], [source] = directory.glob("*.whl"), directory.glob("*.tar.gz")
    return Distributions(wheel, source)


@pytest.fixture(scope="session")
def environment(
    tmp_path_factory: pytest.TempPathFactory,
    distributions: Distributions,
    instructions: Instructions,
) -> Environment:
    """Install the wheel as the documentation says, for a project that has PostgreSQL."""
    return make_environment(
        tmp_path_factory.mktemp("venv"),
        distributions,
        instructions.install,
        f"pip install {POSTGRESQL_CLIENT}",
    )


def make_environment(directory: Path, distributions: Distributions, *commands: str) -> Environment:
    """Install the wheel and run commands of pip, with the versions that production has."""
    environment = Environment(directory)
    constraints = directory / "constraints.txt"
    constraints.write_text("\n".join(pin for pin in _pins() if "[" not in pin))
    run(f"{sys.executable} -m venv {directory}", directory, os.environ)
    variables = environment.variables(
        PIP_CONSTRAINT=str(constraints), PIP_DISABLE_PIP_VERSION_CHECK="1"
    )
    # By its file, so that the index has no say in which it is; what it needs comes with the next.
    for command in (f"pip install --no-deps {distributions.wheel}", *commands):
        run(command, directory, variables)
    return environment


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQLServer]:
    """Run a PostgreSQL of the other projects' own."""
    with PostgreSQLServer(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis of another project's own."""
    with RedisServer(tmp_path) as server:
        yield server


def _pins() -> Iterator[str]:
    for line in (PROJECT / "requirements.txt").read_text().splitlines():
        if pin := line.partition("#")[0].strip():
            yield pin
