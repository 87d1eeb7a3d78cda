"""`make soak`: load, and a Redis that is killed again and again; see `--help`."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Final

import psycopg
from matplotlib.axes import Axes

from benchmarks.charts.style import INK, OTHERS, house_style, make_axes, save
from benchmarks.child import Child
from benchmarks.contenders import make_product
from benchmarks.environment import Environment
from benchmarks.machine import describe_machine
from benchmarks.parts.http import GENERATOR
from benchmarks.report import replace_figures
from benchmarks.soak.samples import OF_PROCESSES, TO_POSTGRESQL, TO_REDIS, Samples, look_at
from benchmarks.users import mint_tokens
from benchmarks.web.generator import format_request
from tests.fleet.processes import Relay
from tests.servers.redis_server import RedisServer
from tests.servers.stack import PROJECT
from tests.standing.servers import ProductionServer

USERS: Final = 100_000
INSTANCES: Final = 2
CYCLE_SECONDS: Final = 20.0
"""Redis is killed in the middle of each."""
AWAY_SECONDS: Final = 2.0
SAMPLE_SECONDS: Final = 1.0
ASKED: Final = 5_000
"""Users of a cycle; twenty cycles ask for all of them."""
CONNECTIONS: Final = 4
"""To each instance."""
PAGE: Final = PROJECT / "docs" / "resilience.md"
PLOT: Final = PROJECT / "docs" / "soak.svg"
COUNT_SESSIONS: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


def main() -> int:
    """Load, sample, draw; return 1 if something has grown."""
    options = _parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    samples, kills, answered = Samples(), list[float](), 0
    with Environment(options.users) as environment, ExitStack() as stack:
        machine = describe_machine(environment.superuser_url, environment.redis_url)
        soak = Soak(environment, stack)
        for number in range(max(1, round(options.seconds / CYCLE_SECONDS))):
            answered += soak.run_cycle(number, samples, kills)
            _say(f"{len(kills) * CYCLE_SECONDS:.0f} s: {answered:,} answers")
    grown = samples.grown()
    text = _describe(samples, kills, answered, options, machine)
    _say(text)
    for sentence in grown:
        _say(f"Grown: {sentence}.")
    if options.write:
        draw(samples, kills, PLOT)
        replace_figures(PAGE, text)
        _say(f"Written: {PLOT}, {PAGE}")
    return 1 if grown else 0


class Soak:
    """The servers, and a client for each."""

    def __init__(self, environment: Environment, stack: ExitStack) -> None:
        """Start them, until the stack ends."""
        contender = make_product("soak")
        self._redis = stack.enter_context(RedisServer(environment.new_directory()))
        variables = environment.variables(contender) | {
            "REDIS_URL": self._redis.url,
            "WEB_WORKERS": "1",
            "PYTHONPATH": str(PROJECT),
        }
        self._relay = stack.enter_context(Relay(environment.new_directory(), variables))
        self._instances = [
            stack.enter_context(ProductionServer(environment.new_directory(), variables))
            for _ in range(INSTANCES)
        ]
        self._clients = [
            stack.enter_context(Child(GENERATOR, variables, environment.new_log()))
            for _ in self._instances
        ]
        self._database = stack.enter_context(
            psycopg.connect(environment.database_url(contender), autocommit=True)
        )
        self._environment = environment
        self._began = time.monotonic()

    def run_cycle(self, number: int, samples: Samples, kills: list[float]) -> int:
        """Ask for some users, with Redis away for a moment; return how many answers there were.

        Raises: BenchmarkError if an answer isn't 200.
        """
        requests = self._list_requests(number)
        for instance, client in zip(self._instances, self._clients, strict=True):
            client.send(
                "run",
                port=instance.port,
                requests=requests,
                connections=CONNECTIONS,
                seconds=CYCLE_SECONDS,
                seed=number,
            )
        began = time.monotonic()
        for second in self._seconds(began, CYCLE_SECONDS / 2):
            samples.add(second, self._look())
        self._redis.kill()
        kills.append(time.monotonic() - self._began)
        time.sleep(AWAY_SECONDS)
        self._redis.start()
        for second in self._seconds(began, CYCLE_SECONDS):
            samples.add(second, self._look())
        return sum(int(client.receive()["requests"]) for client in self._clients)

    def _seconds(self, began: float, seconds: float) -> Iterator[float]:
        while time.monotonic() < began + seconds:
            yield time.monotonic() - self._began
            time.sleep(SAMPLE_SECONDS)

    def _look(self) -> Mapping[str, Mapping[str, float]]:
        names = [f"instance {number}" for number in range(1, INSTANCES + 1)]
        processes = dict(zip(names, self._instances, strict=True)) | {"relay": self._relay}
        held = {name: look_at(server.pid) for name, server in processes.items()}
        found = {what: {name: held[name][what] for name in held} for what in OF_PROCESSES}
        row = self._database.execute(COUNT_SESSIONS).fetchone()
        assert row
        with self._redis.client() as client:
            connected = float(client.info("clients")["connected_clients"])
        return found | {TO_POSTGRESQL: {"all": float(row[0])}, TO_REDIS: {"all": connected}}

    def _list_requests(self, number: int) -> Sequence[str]:
        count = min(ASKED, self._environment.users)
        first = self._environment.first_id + number * count % self._environment.users
        tokens = mint_tokens(first, count, self._environment.signing_key)
        paths = Random(number).choices(("/auth/verify", "/auth/profile"), k=count)
        return [format_request(path, token) for path, token in zip(paths, tokens, strict=True)]


def draw(samples: Samples, kills: Sequence[float], path: Path) -> None:
    """Draw a line for each process, by what was sampled."""
    with house_style():
        figure, all_axes = make_axes(len(samples.values), inches=(3.2 * len(samples.values), 2.6))
        for axes, (what, places) in zip(all_axes, samples.values.items(), strict=True):
            _draw_one(axes, what, places, samples.seconds, kills)
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        save(figure, path)


def _draw_one(
    axes: Axes,
    what: str,
    places: Mapping[str, Sequence[float]],
    seconds: Sequence[float],
    kills: Sequence[float],
) -> None:
    for second in kills:
        axes.axvline(second, color=INK, linewidth=0.4, alpha=0.5)
    for colour, (place, values) in zip(OTHERS, places.items(), strict=False):
        axes.plot(seconds, values, color=colour, linewidth=1.2, label=place)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds")
    axes.set_title(what)


def _describe(
    samples: Samples,
    kills: Sequence[float],
    answered: int,
    options: argparse.Namespace,
    machine: Mapping[str, str],
) -> str:
    asked = min(options.users, ASKED * len(kills))
    said = (
        f"{len(kills) * CYCLE_SECONDS:.0f} seconds of `make soak` on {machine['date']}, "
        f"{machine['cores']} cores: {answered:,} answers, all of them 200, to {asked:,} of "
        f"{options.users:,} users. Redis was killed {len(kills)} times (the thin lines), and away "
        f"for {AWAY_SECONDS:.0f} s each time."
    )
    rows = (
        f"| {what} | {place} | {before:.0f} | {after:.0f} |"
        for what, place, before, after in samples.growth()
    )
    plot = f"![Memory, threads, files and connections over time]({PLOT.name})"
    head = "| | | second quarter | last quarter |\n|---|---|---|---|"
    return "\n".join([plot, "", said, "", head, *rows])


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="(default: 600)")
    parser.add_argument("--users", type=int, default=USERS, help=f"(default: {USERS})")
    parser.add_argument(
        "--no-write",
        dest="write",
        action="store_false",
        help="leave docs/resilience.md and its plot as they are",
    )
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
