"""A suite in a virtual environment of its own, and what a run of it says."""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from tests.compat.suites import Suite
from tests.servers.stack import PROJECT

RUN_SECONDS: Final = 1800
HERE: Final = Path(__file__).parent
CALLS: Final = re.compile(r"calls of ours: (\d+)")


class Outcome(NamedTuple):
    """What a run says of the tests."""

    tests: int
    failed: frozenset[str]
    calls: int
    """How often our code was called."""


class Bench:
    """A folder with a virtual environment and the unpacked tests."""

    def __init__(self, folder: Path, suite: Suite) -> None:
        """Install what the suite needs, and this checkout."""
        self._folder, self._suite = folder, suite
        execute(sys.executable, "-m", "venv", folder / "venv")
        self._python = folder / "venv" / "bin" / "python"
        self._pip("install", f"{PROJECT}[{suite.extra}]", "pytest", "pytest-django")
        self._pip("install", suite.requirement, *suite.needs)
        # Without its extras, of which this would need the sources.
        source = re.sub(r"\[.*\]", "", suite.requirement)
        self._pip("download", "--no-deps", "--no-binary", ":all:", "-d", folder, source)
        [archive] = folder.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "source", filter="data")
        [self._root] = (folder / "source").iterdir()
        plugin = f"{suite.plugin}.py"
        (folder / "plugin").mkdir()
        (folder / "plugin" / plugin).write_text((HERE / plugin).read_text())

    def run(self, *, with_usercache: bool) -> Outcome:
        """Run the tests, and return what failed."""
        suite, tests = self._suite, self._root / self._suite.tests
        report = self._folder / "report.xml"
        with self._serve(with_usercache=with_usercache):
            answer = subprocess.run(
                [
                    *(self._python, "-m", "pytest", "-q", "-o", "addopts=", "-p", suite.plugin),
                    *("-p", "no:cacheprovider", f"--junitxml={report}", "-k", suite.select, tests),
                ],
                cwd=self._root,
                env=os.environ
                | {
                    "PYTHONPATH": f"{self._folder / 'plugin'}:{tests.parent}",
                    "DJANGO_SETTINGS_MODULE": suite.settings,
                    "WITH_USERCACHE": "yes" if with_usercache else "",
                },
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=RUN_SECONDS,
            )
        if answer.returncode not in (0, 1):
            raise SystemExit(answer.stdout)
        return _read(report, answer.stdout)

    @contextmanager
    def _serve(self, *, with_usercache: bool) -> Iterator[None]:
        caches = self._suite.caches
        if caches is None:
            yield
            return
        directory = self._folder / ("ours" if with_usercache else "theirs")
        directory.mkdir()
        with (caches.ours if with_usercache else caches.theirs)(directory) as settings:
            (self._root / caches.path).write_text(settings)
            yield

    def _pip(self, *arguments: str | Path) -> None:
        execute(self._python, "-m", "pip", "--quiet", *arguments)


def execute(*command: str | Path) -> None:
    """Run a command that must succeed."""
    subprocess.run(list(map(str, command)), check=True, timeout=RUN_SECONDS)


def _read(report: Path, said: str) -> Outcome:
    cases = list(ET.parse(report).iter("testcase"))
    failed = {
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }
    [calls] = CALLS.findall(said)
    return Outcome(len(cases), frozenset(failed), int(calls))
