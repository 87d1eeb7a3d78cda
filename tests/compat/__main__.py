"""Run the tests of packages that use simplejwt's authentication, with ours in its place.

`python -m tests.compat [NAME...]`, or `make compat`. Each suite comes from the source distribution
of a released version. It runs twice, in a virtual environment of its own: as it is, and with
`CachedJWTAuthentication`. A test that fails with ours alone is a failure of ours.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from tests.servers.stack import PROJECT

RUN_SECONDS: Final = 1800
PLUGIN: Final = Path(__file__).with_name("usercache_compat.py")
USERS_FOUND: Final = re.compile(r"users found: (\d+)")


class Suite(NamedTuple):
    """A package with tests in its source distribution."""

    requirement: str
    needs: tuple[str, ...]
    tests: str
    """Their folder, below that of the distribution."""
    settings: str = ""
    """The settings module; "" if a conftest.py has the settings."""


SUITES: Final = {
    "simplejwt": Suite(
        "djangorestframework_simplejwt==5.5.1",
        (
            "cryptography==50.0.2",
            "python-jose==3.5.0",
            "freezegun==1.5.5",
            "python-dateutil==4.0.0",
        ),
        "tests",
    ),
    "dj-rest-auth": Suite(
        "dj-rest-auth==7.2.0",
        ("django-allauth[socialaccount,mfa]==65.22.1", "responses==0.26.3", "pyotp==2.12.1"),
        "dj_rest_auth/tests",
        "tests.settings",
    ),
}


class Outcome(NamedTuple):
    """What a run says of the tests."""

    tests: int
    failed: frozenset[str]
    users_found: int


def main() -> int:
    """Run the suites named, or all, and return the exit code."""
    names = sys.argv[1:] or list(SUITES)
    return max([_compare(name, SUITES[name]) for name in names])


def _compare(name: str, suite: Suite) -> int:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), suite)
        theirs, ours = bench.run(with_usercache=False), bench.run(with_usercache=True)
    added = sorted(ours.failed - theirs.failed)
    lines = [
        f"{name}: {ours.tests} tests, of which {len(theirs.failed)} fail without ours.",
        f"{name}: {ours.users_found} users were found by ours, {len(added)} tests fail by it.",
        *(f"  {test}" for test in added),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(bool(added) or not ours.users_found or ours.tests < theirs.tests)


class Bench:
    """A folder with a virtual environment and the unpacked tests."""

    def __init__(self, folder: Path, suite: Suite) -> None:
        """Install what the suite needs, and this checkout."""
        self._folder, self._suite = folder, suite
        _execute(sys.executable, "-m", "venv", folder / "venv")
        self._python = folder / "venv" / "bin" / "python"
        self._pip("install", f"{PROJECT}[jwt]", "pytest", "pytest-django")
        self._pip("install", suite.requirement, *suite.needs)
        self._pip("download", "--no-deps", "--no-binary", ":all:", "-d", folder, suite.requirement)
        [archive] = folder.glob("*.tar.gz")
        with tarfile.open(archive) as source:
            source.extractall(folder / "source", filter="data")
        [self._root] = (folder / "source").iterdir()
        (folder / "plugin").mkdir()
        (folder / "plugin" / PLUGIN.name).write_text(PLUGIN.read_text())

    def run(self, *, with_usercache: bool) -> Outcome:
        """Run the tests, and return what failed."""
        tests = self._root / self._suite.tests
        report = self._folder / "report.xml"
        answer = subprocess.run(
            [
                *(self._python, "-m", "pytest", "-q", "-o", "addopts=", "-p", PLUGIN.stem),
                *("-p", "no:cacheprovider", f"--junitxml={report}", tests),
            ],
            cwd=self._root,
            env=os.environ
            | {
                "PYTHONPATH": f"{self._folder / 'plugin'}:{tests.parent}",
                "DJANGO_SETTINGS_MODULE": self._suite.settings,
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

    def _pip(self, *arguments: str | Path) -> None:
        _execute(self._python, "-m", "pip", "--quiet", *arguments)


def _read(report: Path, said: str) -> Outcome:
    cases = list(ET.parse(report).iter("testcase"))
    failed = {
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }
    [found] = USERS_FOUND.findall(said)
    return Outcome(len(cases), frozenset(failed), int(found))


def _execute(*command: str | Path) -> None:
    subprocess.run(list(map(str, command)), check=True, timeout=RUN_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
