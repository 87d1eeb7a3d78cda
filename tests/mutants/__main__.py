"""Change the core's code in every way, one at a time, and see whether the tests notice.

`python -m tests.mutants [MODULE...]`, or `make mutants`. Outcomes are kept in .mutants, and only
those of modules that have changed, or whose tests have, are found out again. Fails for a module of
which less than 90 % are killed, not counting equivalent ones, and for a survivor that
`survivors.txt` gives no reason for.

Changes within functions that leave the database as it is are first tried in forks, see
Note [A change without a new import] in `forking.py`; all others, and those that no test failed for
there, in a pytest of their own with a new database.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from tests.mutants.changes import Change, list_changes
from tests.mutants.forking import (
    KILLED,
    PYTEST_OPTIONS,
    SURVIVED,
    TIMED_OUT,
    UNCHANGED,
    Outcome,
    put,
)
from tests.mutants.modules import ALONE, MODULES
from tests.servers.stack import PROJECT, Stack

MIN_KILLED: Final = 0.9
"""Of the changes that are not equivalent."""
EQUIVALENT: Final = "equivalent"
"""How the reason begins of one that no test could notice."""
FOUND: Final = PROJECT / ".mutants"
SURVIVORS: Final = Path(__file__).with_name("survivors.txt")
SERVERS: Final = ("DATABASE_URL", "REDIS_URL")
BENCHES: Final = 2
"""Each has a copy of the project and servers of its own."""
RUN_SECONDS: Final = 300.0
"""For all tests of a module."""
TEST_SECONDS: Final = 60.0
"""For one test that a change lets hang; on a busy machine, too, one that doesn't ends before."""
WAIT_SECONDS: Final = 15
"""For one thing that a test waits for and a change may prevent."""
FORKING_SECONDS: Final = 3600.0
"""For all changes of a module."""


class BrokenTestsError(Exception):
    """The tests fail without any change."""


class Bench:
    """A copy of the project with servers of its own, where one change at a time is tried."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        """Copy what git knows."""
        self._copy = folder / "copy"
        self._output = folder / "output.txt"
        self._changes = folder / "changes.json"
        self._found = folder / "found.jsonl"
        # With bytecode: pytest rewrites its plugins, which takes two seconds without.
        self._environment = os.environ | stack.urls
        self._environment |= {
            "PYTHONDONTWRITEBYTECODE": "",
            "TESTS_WAIT_SECONDS": f"{WAIT_SECONDS}",
        }
        copy_project(self._copy)

    def try_changes(self, module: str, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Yield what became of each change."""
        if not changes:
            return
        unchanged = Change(UNCHANGED, (PROJECT / module).read_text(), is_in_function=True)
        self._require_survival(module, self._run_alone(module, unchanged))
        killed = set[str]()
        forked = [c for c in changes if c.is_in_function and module not in ALONE]
        for outcome in self._run_forked(module, forked):
            if outcome.outcome == KILLED:
                killed.add(outcome.name)
                yield outcome
        for change in changes:
            if change.name not in killed:
                yield self._run_alone(module, change)

    def _run_forked(self, module: str, changes: list[Change]) -> Iterator[Outcome]:
        while changes:
            self._found.write_text("")
            self._changes.write_text(json.dumps(changes))
            self._run(
                ["tests.mutants.forking", module, str(self._changes), str(self._found)],
                FORKING_SECONDS,
            )
            lines = self._found.read_text().splitlines()
            outcomes = [Outcome(*json.loads(line)) for line in lines]
            if not outcomes:
                self._require_survival(module, Outcome(UNCHANGED, KILLED, "the first run"))
            # Before the changes, and after them unless one was killed for taking too long.
            for outcome in outcomes:
                if outcome.name == UNCHANGED:
                    self._require_survival(module, outcome)
            found = [outcome for outcome in outcomes if outcome.name != UNCHANGED]
            yield from found
            if not found:
                return
            names = {outcome.name for outcome in found}
            changes = [change for change in changes if change.name not in names]

    def _run_alone(self, module: str, change: Change) -> Outcome:
        file = self._copy / module
        put(file, change.source)
        try:
            options = (*PYTEST_OPTIONS, "-x", "-o", f"timeout={TEST_SECONDS}")
            code = self._run(["pytest", *options, *MODULES[module]], RUN_SECONDS)
        finally:
            put(file, (PROJECT / module).read_text())
        if code is None:
            return Outcome(change.name, TIMED_OUT, "")
        return Outcome(change.name, KILLED if code else SURVIVED, "")

    def _run(self, arguments: Sequence[str], seconds: float) -> int | None:
        """Run a Python module and return its exit code, None where it took too long."""
        with self._output.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self._copy, env=self._environment, process_group=0,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _require_survival(self, module: str, outcome: Outcome) -> None:
        if outcome.outcome != SURVIVED:
            kept = FOUND / "output.txt"
            shutil.copyfile(self._output, kept)
            raise BrokenTestsError(
                f"Without a change, the tests of {module} fail ({outcome.test}): see {kept}."
            )


def main() -> int:
    """Return the exit code: 1 where too much survived."""
    wanted = sys.argv[1:] or list(MODULES)
    reasons = read_reasons()
    FOUND.mkdir(exist_ok=True)
    with ExitStack() as exits:
        benches = []
        for _ in range(BENCHES):
            folder = exits.enter_context(tempfile.TemporaryDirectory())
            benches.append(Bench(Path(folder), exits.enter_context(Stack(SERVERS))))
        return max([judge(module, benches, reasons) for module in wanted])


def read_reasons() -> dict[tuple[str, str], str]:
    """Return why each survivor that is known may live."""
    lines = [line for line in SURVIVORS.read_text().splitlines() if line and line[0] != "#"]
    return {(module, name): why for module, name, why in (line.split("\t") for line in lines)}


def copy_project(folder: Path) -> None:
    """Copy what git knows, so that nobody sees a changed module."""
    listed = subprocess.run(
        ("git", "ls-files", "-co", "--exclude-standard"),
        cwd=PROJECT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (PROJECT / name).exists():  # not deleted since the last commit
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, target)


def judge(module: str, benches: Sequence[Bench], reasons: dict[tuple[str, str], str]) -> int:
    """Try all changes of a module and report; return 1 where too much survived."""
    outcomes = try_changes(module, benches)
    counts = Counter(outcomes.values())
    killed = counts[KILLED] + counts[TIMED_OUT]
    survivors = [name for name, outcome in outcomes.items() if outcome == SURVIVED]
    same = [n for n in survivors if reasons.get((module, n), "").startswith(EQUIVALENT)]
    share = killed / max(1, len(outcomes) - len(same))
    say(
        f"{module}: {len(outcomes)} changes, {counts[KILLED]} killed, {counts[TIMED_OUT]} timeout, "
        f"{counts[SURVIVED]} survived, {len(same)} of them {EQUIVALENT}; {share:.1%} of the others"
    )
    unknown = [name for name in survivors if (module, name) not in reasons]
    for name in unknown:
        say(f"  no reason in {SURVIVORS.name}: {module}\t{name}")
    return int(share < MIN_KILLED or bool(unknown))


def try_changes(module: str, benches: Sequence[Bench]) -> dict[str, str]:
    """Return what became of each change, and keep it for the next time."""
    kept = FOUND / f"{module.replace('/', '.')}.json"
    version = hash_files(module, *MODULES[module])
    found: dict[str, str] = {}
    if kept.exists():
        known = json.loads(kept.read_text())
        found = known["outcomes"] if known["version"] == version else {}
    changes = list(list_changes((PROJECT / module).read_text()))
    missing = [change for change in changes if change.name not in found]

    def try_share(number: int) -> None:
        for outcome in benches[number].try_changes(module, missing[number :: len(benches)]):
            found[outcome.name] = outcome.outcome
            kept.write_text(json.dumps({"version": version, "outcomes": dict(found)}))

    with ThreadPoolExecutor(len(benches)) as pool:
        list(pool.map(try_share, range(len(benches))))
    return {change.name: found[change.name] for change in changes}


def hash_files(*names: str) -> str:
    """Return what tells one state of these files from another."""
    digest = hashlib.sha256()
    for name in names:
        digest.update((PROJECT / name).read_bytes())
    return digest.hexdigest()


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
