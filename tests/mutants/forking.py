"""The pytest plugin that tries changes of functions: collect once, fork for each change.

Note [A change without a new import]
------------------------------------
Importing Django, the project and the tests takes seconds, most tests milliseconds. So one process
collects the tests, runs them once without a change, and keeps what lives as long as the session:
the test database and the servers that fixtures started. For each change it forks a child, which
puts the changed code into the functions that are there, wherever imported, and runs the
tests that end soonest, or have found most, first. What was computed before the fork (a cached
object, say) may hide a change; so nothing has survived until it has survived a run of its own, see
`__main__.py`. The unchanged code must pass in a child too, before and after all changes: what one
change left behind must not be taken for the effect of the next.
"""

import gc
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final, NamedTuple

import pytest
from asgiref.sync import SyncToAsync

from tests.mutants.changes import Change
from tests.mutants.modules import MODULES

KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timeout"
UNCHANGED: Final = ""
"""The name of no change, whose outcome says whether the others can be believed."""
# A change may take three times as long as none, and this long beside, on a busy machine too.
MIN_SECONDS: Final = 60.0
TIMES_LONGER: Final = 3
POLL_SECONDS: Final = 0.005
ONE_REDIS: Final = ("-k", "not (sentinel or cluster or tls)")
"""Other ways to reach Redis run the same code, and take seconds to start."""
PYTEST_OPTIONS: Final = ("-q", "-p", "no:cacheprovider", "--create-db", *ONE_REDIS)


class Outcome(NamedTuple):
    """What became of a change, and by which test."""

    name: str
    outcome: str
    test: str


class ForkedChanges:
    """Run the collected tests once for each change, each time in a child."""

    def __init__(self, module: Path, changes: list[Change], found: Path) -> None:
        """Take the module's file and its changes; outcomes are appended to the file `found`."""
        self._module = module
        self._source = module.read_text()
        self._changes = changes
        self._found = found
        self._seconds: dict[str, float] = {}
        self._kills = Counter[str]()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every change; stop where the unchanged code fails, or a child had to be killed."""
        # With -x, a failure in a child would end what the session has in common.
        assert not session.config.option.maxfail
        if self._run_all(session, session.items):
            return True  # pytest says what failed
        changes = [Change(UNCHANGED, self._source, True), *self._changes]
        for change in [*changes, changes[0]]:
            outcome = self._try(session, change)
            with self._found.open("a") as found:
                found.write(f"{json.dumps(outcome)}\n")
            self._kills[outcome.test] += 1
            if outcome.outcome == TIMED_OUT or (
                change.name == UNCHANGED and outcome.outcome != SURVIVED
            ):
                break  # what it held may still be locked, what it wrote still there
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how long a test takes, without the session's fixtures that it may set up."""
        if report.when != "setup":
            known = self._seconds.get(report.nodeid, 0.0)
            self._seconds[report.nodeid] = known + report.duration

    def _run_all(self, session: pytest.Session, items: list[pytest.Item]) -> str | None:
        """Run tests until one fails, and return which; the session's fixtures stay."""
        for item, following in zip(items, [*items[1:], session], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return item.nodeid
        return None

    def _try(self, session: pytest.Session, change: Change) -> Outcome:
        promising = sorted(
            session.items,
            key=lambda item: self._seconds[item.nodeid] / (1 + self._kills[item.nodeid]),
        )
        seconds = MIN_SECONDS + TIMES_LONGER * sum(self._seconds.values())
        put(self._module, change.source)  # for the processes that tests start
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._be_child(session, promising, change, writing)
        os.close(writing)
        try:
            status = _wait(child, seconds)
            with os.fdopen(reading) as told:
                test = told.read() if status is not None else ""
        finally:
            put(self._module, self._source)
        if status is None:
            return Outcome(change.name, TIMED_OUT, test)
        return Outcome(change.name, KILLED if status else SURVIVED, test)

    def _be_child(
        self, session: pytest.Session, items: list[pytest.Item], change: Change, told: int
    ) -> None:
        failed: str | None = "an error between the tests"
        try:
            os.setpgid(0, 0)
            # The parent's has a thread that doesn't exist here.
            SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
            swap_functions(str(self._module), self._source, change.source)
            failed = self._run_all(session, items)
        finally:
            os.write(told, (failed or "").encode())
            os._exit(int(failed is not None))


def put(module: Path, source: str) -> None:
    """Write a module; its bytecode may be as old to the second, and as long, and another's."""
    Path(cache_from_source(str(module))).unlink(missing_ok=True)
    module.write_text(source)


def swap_functions(file: str, source: str, changed: str) -> int:
    """Put the changed code into the functions that were made from a file; return into how many."""
    old, new = compile(source, file, "exec"), compile(changed, file, "exec")
    twins = dict(zip(_list_code(old), _list_code(new), strict=True))
    return sum(_swap(one, twins) for one in gc.get_objects() if type(one) is FunctionType)


def _swap(function: FunctionType, twins: Mapping[CodeType, CodeType]) -> bool:
    code = twins.get(function.__code__)
    if (
        code is None
        or code == function.__code__
        or code.co_filename != function.__code__.co_filename
    ):
        return False
    function.__code__ = code
    return True


def _list_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _list_code(constant)


def _wait(child: int, seconds: float) -> int | None:
    """Return the child's exit status, None where it had to be killed; its own children go too."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended or time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
    return status if ended else None


def main() -> int:
    """Try the changes in a file, of a module of the project in the working directory."""
    module, changes, found = sys.argv[1:]
    listed = [Change(*change) for change in json.loads(Path(changes).read_text())]
    plugin = ForkedChanges(Path(module).absolute(), listed, Path(found))
    return int(pytest.main([*PYTEST_OPTIONS, *MODULES[module]], plugins=[plugin]))


if __name__ == "__main__":
    sys.exit(main())
