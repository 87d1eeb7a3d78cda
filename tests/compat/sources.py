"""Where a suite's tests come from: a released distribution, or a project made from a template."""

import os
import re
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol

FETCH_SECONDS: Final = 1800
COOKIECUTTER: Final = "cookiecutter==2.7.1"


class UnreachableError(Exception):
    """What is to be tested can't be fetched from this machine; the message says what to do."""


class Source(Protocol):
    """What is tested, with its tests."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip installs before the tests are fetched."""

    def fetch(self, python: Path, folder: Path) -> Path:
        """Lay the tests below a folder, with the Python that has the requirements.

        Returns their project's folder.

        Raises:
            UnreachableError: this machine can't reach where they are.
        """


class Distribution(NamedTuple):
    """The source distribution of a released version."""

    requirement: str

    @property
    def requirements(self) -> tuple[str, ...]:
        return (self.requirement,)

    def fetch(self, python: Path, folder: Path) -> Path:
        # Without its extras, of which this would need the sources.
        source = re.sub(r"\[.*\]", "", self.requirement)
        options = ("--no-deps", "--no-binary", ":all:", "-d", folder)
        execute(python, "-m", "pip", "--quiet", "download", *options, source)
        [archive] = folder.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "source", filter="data")
        [root] = (folder / "source").iterdir()
        return root


class Template(NamedTuple):
    """A template of cookiecutter, and the answers that are given to its questions."""

    repository: str
    tag: str
    answers: Mapping[str, str]

    @property
    def requirements(self) -> tuple[str, ...]:
        return (COOKIECUTTER,)

    def fetch(self, python: Path, folder: Path) -> Path:
        template, config = folder / "template", folder / "cookiecutter.yaml"
        options = ("--quiet", "--depth=1", "-c", "advice.detachedHead=false", "--branch", self.tag)
        try:
            execute("git", "clone", *options, self.repository, template)
        except subprocess.CalledProcessError as error:
            raise UnreachableError(
                f"{self.repository} can't be cloned. If there is a mirror, name it: "
                f"git config --global url.MIRROR.insteadOf {self.repository}"
            ) from error
        # A hook of the template's calls it, to note versions that nothing here reads.
        programs = folder / "programs"
        programs.mkdir()
        (programs / "uv").symlink_to("/bin/true")
        config.write_text(f"replay_dir: {folder}\ncookiecutters_dir: {folder}\n")
        answers = [f"{question}={answer}" for question, answer in self.answers.items()]
        arguments = ("--no-input", "--config-file", config, "-o", folder / "source", template)
        execute(python, "-m", "cookiecutter", *arguments, *answers,
                PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")  # fmt: skip
        [root] = (folder / "source").iterdir()
        return root


def execute(*command: str | Path, **environment: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(
        list(map(str, command)), check=True, timeout=FETCH_SECONDS, env=os.environ | environment
    )
