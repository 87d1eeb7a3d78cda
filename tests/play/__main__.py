"""`python -m tests.play`: play the scenarios and print a table; see `--help`."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path

from tests.fleet.director import play
from tests.fleet.fleet import Fleet
from tests.fleet.result import Result
from tests.fleet.scenarios import SCENARIOS, Scenario
from tests.fleet.small_fleet import SmallFleet
from tests.fleet.table import format_table
from tests.standing import scenarios as standing
from tests.standing.fleet import StandingFleet

SMALL, STANDING = "small", "standing"
TOPOLOGIES = {
    name: {scenario.name: scenario for scenario in scenarios}
    for name, scenarios in ((SMALL, SCENARIOS), (STANDING, standing.SCENARIOS))
}
PREFIX = "hiremebahamas-fleet-"
SHOWN_SENTENCES = 5
"""How many broken promises of one scenario are printed; the file has them all."""


def main() -> int:
    """Play, print, and return 1 if a promise was broken."""
    options = _parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, _leave)
    runs: list[Result] = []
    broken: dict[str, list[str]] = {}
    names = TOPOLOGIES[options.topology]
    scenarios = [names[name] for name in options.scenario or names]
    for has_redis, together in groupby(scenarios, key=lambda scenario: scenario.has_redis):
        with (
            tempfile.TemporaryDirectory(prefix=PREFIX) as root,
            _open_fleet(Path(root), options, has_redis=has_redis) as fleet,
        ):
            for scenario in together:
                _say(f"{scenario.name} …")
                result = _play(fleet, scenario, options)
                runs.append(result)
                broken[scenario.name] = list(scenario.promise.broken(result))
    _say(format_table(runs))
    for name, sentences in broken.items():
        for sentence in sentences[:SHOWN_SENTENCES]:
            _say(f"{name}: {sentence}")
        if len(sentences) > SHOWN_SENTENCES:
            _say(f"{name}: and {len(sentences) - SHOWN_SENTENCES} more")
        if sentences:
            command = names[name].format_command(options.seconds, options.seed)
            _say(f"To repeat it: {command} --topology {options.topology}")
    if options.json:
        rows = [run.as_row() | {"broken": broken[run.scenario]} for run in runs]
        report = {"seed": options.seed, "scenarios": rows}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if any(broken.values()) else 0


def _open_fleet(
    directory: Path, options: argparse.Namespace, *, has_redis: bool
) -> AbstractContextManager[Fleet]:
    if options.topology == STANDING:
        return StandingFleet(directory)
    return SmallFleet(directory, is_pooled=options.pooled, has_redis=has_redis)


def _play(fleet: Fleet, scenario: Scenario, options: argparse.Namespace) -> Result:
    return play(
        fleet,
        scenario,
        seconds=options.seconds,
        seed=options.seed,
        reads=0 if scenario.steps else options.reads,
    )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.play", description=__doc__)
    parser.add_argument(
        "--scenario",
        action="append",
        metavar="NAME",
        help="play this one alone; may be repeated: "
        + "; ".join(f"{topology}: {', '.join(names)}" for topology, names in TOPOLOGIES.items()),
    )
    parser.add_argument(
        "--topology",
        choices=TOPOLOGIES,
        default=SMALL,
        help="four servers whose connections can be cut (small, the default), or all that "
        "`make fleet-up` starts, behind nginx (standing)",
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="for each (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="of every choice (default: 1)")
    parser.add_argument(
        "--reads",
        type=int,
        default=100_000,
        help="go on with the calm one until there were so many, of profiles and of permissions "
        "(default: 100000)",
    )
    parser.add_argument(
        "--pooled", action="store_true", help="with a PgBouncer in front of PostgreSQL"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result there")
    options = parser.parse_args(arguments)
    for name in options.scenario or ():
        if name not in TOPOLOGIES[options.topology]:
            parser.error(f"argument --scenario: {options.topology} has no {name!r}; see --help")
    if options.pooled and options.topology == STANDING:
        parser.error("argument --pooled: standing has a PgBouncer")
    return options


def _leave(signal_number: int, frame: object) -> None:
    sys.exit(128 + signal_number)  # by way of every `with`, so that no server is left


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
