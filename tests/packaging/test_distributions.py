"""What is built holds the package, all of it, and nothing else; it asks for what it needs."""

import subprocess
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.packaging.conftest import Distributions, Environment
from tests.servers.stack import PROJECT

PACKAGE = "usercache"
SOURCE_METADATA = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}

pytestmark = pytest.mark.packaging


def _committed() -> set[str]:
    answer = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", PACKAGE],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name for name in answer.stdout.splitlines() if (PROJECT / name).exists()}


def test_wheel(distributions: Distributions) -> None:
    """The wheel holds every file of the package, and the licence."""
    with zipfile.ZipFile(distributions.wheel) as wheel:
        names = set(wheel.namelist())
    metadata = {name for name in names if PurePosixPath(name).parts[0].endswith(".dist-info")}
    assert names - metadata == _committed()
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)
    assert f"{PACKAGE}/py.typed" in names


def test_source(distributions: Distributions) -> None:
    """The source distribution holds the same, and what builds it."""
    with tarfile.open(distributions.source) as source:
        names = {str(Path(*Path(name).parts[1:])) for name in source.getnames()}
    assert names == _committed() | SOURCE_METADATA


def test_version(distributions: Distributions, environment: Environment, tmp_path: Path) -> None:
    """The package says which version it is, without Django's settings."""
    program = f"import {PACKAGE}; print({PACKAGE}.__version__, {PACKAGE}.__file__)"
    answer = subprocess.run(
        [environment.directory / "bin" / "python", "-c", program],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    version, path = answer.stdout.split()
    assert distributions.wheel.name.split("-")[1] == version
    assert environment.directory in Path(path).parents
