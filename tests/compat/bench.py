"""A suite in a virtual environment of its own, and what a run of it says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from tests.compat.sources import execute
from tests.compat.suites import Suite
from tests.servers.stack import PROJECT, Stack

RUN_SECONDS: Final = 1800
SERVERS: Final = ("DATABASE_URL", "REDIS_URL")
"""Variables that lead to servers: those of this shell are for other tests."""
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
        self._pip("install", *suite.source.requirements, *suite.needs)
        self._root = suite.source.fetch(self._python, folder)
        for path, text in suite.files.items():
            (self._root / path).parent.mkdir(exist_ok=True)
            (self._root / path).write_text(text)
        plugin = f"{suite.plugin}.py"
        (folder / "plugin").mkdir()
        (folder / "plugin" / plugin).write_text((HERE / plugin).read_text())

    def run(self, *, with_usercache: bool) -> Outcome:
        """Run the tests, and return what failed."""
        suite, tests = self._suite, [self._root / name for name in self._suite.tests]
        report = self._folder / "report.xml"
        options = (
            *("-q", "-o", "addopts=", "-p", suite.plugin, "-p", "no:cacheprovider"),
            *(f"--junitxml={report}", "-k", suite.select),
        )
        with self._serve(with_usercache=with_usercache) as urls:
            answer = subprocess.run(
                [self._python, "-m", "pytest", *options, *tests],
                cwd=self._root,
                env={name: value for name, value in os.environ.items() if name not in SERVERS}
                | urls
                | {
                    "PYTHONPATH": f"{self._folder / 'plugin'}:{tests[0].parent}",
                    "DJANGO_SETTINGS_MODULE": suite.settings,
                    "CACHED_FIELDS": ",".join(suite.fields),
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
    def _serve(self, *, with_usercache: bool) -> Iterator[dict[str, str]]:
        """Start what the suite needs; yield what leads to it, as variables of the environment."""
        suite = self._suite
        with ExitStack() as exits:
            if suite.caches:
                directory = self._folder / ("ours" if with_usercache else "theirs")
                directory.mkdir()
                serve = suite.caches.ours if with_usercache else suite.caches.theirs
                text = exits.enter_context(serve(directory))
                (self._root / suite.caches.path).write_text(text)
            yield exits.enter_context(Stack(suite.servers)).urls if suite.servers else {}

    def _pip(self, *arguments: str | Path) -> None:
        execute(self._python, "-m", "pip", "--quiet", *arguments)


def _read(report: Path, said: str) -> Outcome:
    cases = list(ET.parse(report).iter("testcase"))
    failed = {
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }
    [calls] = CALLS.findall(said)
    return Outcome(len(cases), frozenset(failed), int(calls))
