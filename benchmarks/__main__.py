"""`python -m benchmarks`: measure, print tables, write measurements and plots; see `--help`."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.environment import Environment
from benchmarks.errors import BenchmarkError
from benchmarks.formatting import format_table, tabulate_panel, tabulate_verdicts
from benchmarks.machine import describe_machine
from benchmarks.outcome import Outcome
from benchmarks.parts import (
    capacity,
    deactivations,
    endpoints,
    growth,
    http,
    load,
    lookups,
    overload,
    renewal,
    writes,
)
from benchmarks.plan import FULL, QUICK, Plan
from tests.servers.errors import ServerUnavailableError
from tests.servers.stack import PROJECT

PARTS: Final[dict[str, Callable[[Environment, Plan], Outcome]]] = {
    "lookups": lookups.measure,
    "http": http.measure,
    "endpoints": endpoints.measure,
    "load": load.measure,
    "growth": growth.measure,
    "deactivations": deactivations.measure,
    "renewal": renewal.measure,
    "writes": writes.measure,
    "overload": overload.measure,
    "capacity": capacity.measure,
}
DOCUMENTS: Final = PROJECT / "docs" / "benchmarks"
PAGES: Final = {"capacity": PROJECT / "docs" / "capacity.md"}
"""Of the documentation, with the figures of one part; not with those of a quick look."""


def main() -> int:
    """Measure, print and write; a missed target is no failure."""
    options = _parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, _leave)
    plan = replace(QUICK if options.quick else FULL, against=options.against)
    try:
        outcomes, machine = _measure(options.only or list(PARTS), plan)
    except (BenchmarkError, ServerUnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    if verdicts:
        _say(format_table(tabulate_verdicts(verdicts)) + "\n")
    _say("\n".join(f"{name}: {value}" for name, value in machine.items()))
    if options.output:
        report.write(options.output, machine, outcomes, _format_command(options))
        _say(f"Written: {options.output}")
    for outcome in outcomes:
        if (page := PAGES.get(outcome.name)) and not options.quick:
            command = f'make bench BENCH="--only {outcome.name}"'
            report.update_page(page, machine, outcome, command)
            _say(f"Written: {page}")
    return 0


def _measure(names: Sequence[str], plan: Plan) -> tuple[list[Outcome], dict[str, str]]:
    outcomes = []
    with Environment(plan.load_users) as environment:
        machine = describe_machine(environment.superuser_url, environment.redis_url)
        for name in names:
            began = time.monotonic()
            _say(f"{name} …")
            outcome = PARTS[name](environment, plan)
            outcomes.append(outcome)
            for panel in outcome.panels:
                _say(format_table(tabulate_panel(panel)) + "\n")
            _say(outcome.remarks)
            _say(f"({time.monotonic() - began:.0f} s)\n")
    return outcomes, machine


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        metavar="PART",
        help=f"measure this part alone; may be repeated: {', '.join(PARTS)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds, for a look at it"
    )
    parser.add_argument(
        "--against",
        default="",
        metavar="COMMIT",
        help="measure the endpoints of this commit's code as well",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write measurements and plots there (default: docs/benchmarks, if all is measured; "
        "nowhere with --only or --quick)",
    )
    options = parser.parse_args(arguments)
    options.is_complete = not options.only and not options.quick
    if options.output is None and options.is_complete:
        options.output = DOCUMENTS
    if options.output:
        try:  # before the ten minutes, not after
            options.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"argument --output: name a folder that can be written to ({error})")
    return options


def _format_command(options: argparse.Namespace) -> str:
    words = [f"--only {name}" for name in options.only or ()] + ["--quick"] * options.quick
    words += [f"--against {options.against}"] * bool(options.against)
    return f'make bench BENCH="{" ".join(words)}"' if words else "make bench"


def _leave(signal_number: int, _frame: object) -> None:
    sys.exit(128 + signal_number)  # by way of every `with`, so that no server is left


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
