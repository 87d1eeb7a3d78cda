"""Run the tests of other packages with ours in the place of what they replace.

`python -m tests.compat [NAME...]`, or `make compat`. Each suite comes from the source distribution
of a released version. It runs twice, in a virtual environment of its own: as it is, and with ours.
A test that fails with ours alone, without a reason that `suites.py` knows, is a failure of ours.
"""

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.compat.bench import Bench, Outcome
from tests.compat.sources import UnreachableError
from tests.compat.suites import SUITES, Suite


def main() -> int:
    """Run the suites named, or all, and return the exit code."""
    names = sys.argv[1:] or list(SUITES)
    if unknown := ", ".join(sorted(set(names) - set(SUITES))):
        raise SystemExit(f"No suite is called {unknown}. There are: {', '.join(SUITES)}.")
    return max([_compare(name, SUITES[name]) for name in names])


def _compare(name: str, suite: Suite) -> int:
    with tempfile.TemporaryDirectory() as folder:
        try:
            bench = Bench(Path(folder), suite)
        except UnreachableError as error:
            sys.stdout.write(f"{name}: {error}\n")
            return 1
        theirs, ours = bench.run(with_usercache=False), bench.run(with_usercache=True)
    added = {test: _find_reason(suite, test) for test in sorted(ours.failed - theirs.failed)}
    faults = list(_find_faults(suite, theirs, ours, added))
    lines = [
        f"{ours.tests} tests, of which {len(theirs.failed)} fail without ours.",
        f"{ours.calls} calls of ours; {len(added)} tests fail by it.",
        *(f"  {test}: {reason or 'OURS'}" for test, reason in added.items()),
        *faults,
    ]
    sys.stdout.write("".join(f"{name}: {line}\n" for line in lines))
    return int(bool(faults))


def _find_faults(
    suite: Suite, theirs: Outcome, ours: Outcome, added: Mapping[str, str]
) -> Iterator[str]:
    if unexplained := [test for test, reason in added.items() if not reason]:
        yield f"{len(unexplained)} tests fail by a fault of ours."
    if not ours.calls:
        yield "Ours was never called: it is in nothing's place."
    if ours.tests < theirs.tests:
        yield f"{theirs.tests - ours.tests} tests are missing with ours."
    for reason in set(suite.explained.values()) - set(added.values()):
        yield f"No test fails because {reason}: take that out of the suite."


def _find_reason(suite: Suite, test: str) -> str:
    return next((why for pattern, why in suite.explained.items() if re.search(pattern, test)), "")


if __name__ == "__main__":
    raise SystemExit(main())
