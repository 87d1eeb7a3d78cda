"""Web servers of all contenders, kept busy in turn."""

from contextlib import ExitStack
from typing import Final

from benchmarks.child import Child
from benchmarks.contenders import DATABASE, L1, REDIS, STATELESS, Contender
from benchmarks.environment import THREADS, Environment
from benchmarks.measurement import Series, shuffled
from benchmarks.outcome import Panel
from benchmarks.parts.warming import warm_up
from benchmarks.plan import Plan
from benchmarks.users import mint_tokens
from benchmarks.web.distance import Distance
from benchmarks.web.generator import format_request
from benchmarks.web.server import ON_THREADS, PRODUCT, STATELESS_ON_LOOP, BenchmarkServer

USERS: Final = 400
PATHS: Final[dict[Contender, str]] = {
    L1: "/auth/verify",
    REDIS: "/auth/verify",
    STATELESS: "/stateless",
    DATABASE: "/database",
}
SERVED: Final = {
    STATELESS: STATELESS_ON_LOOP,
    # Each of its requests waits: faster without an event loop.
    DATABASE: (*ON_THREADS, str(THREADS)),
}
"""How, where not as the product is."""
WARM_SECONDS: Final = 0.5
RATE, HALF, MOST = "rate", "p50_ms", "p99_ms"
MEASUREMENTS: Final = {
    RATE: "Requests/s",
    HALF: "Half of the answers within, ms",
    MOST: "99% of the answers within, ms",
}


class Race:
    """Servers of all contenders, a client, and the measurements as they come in."""

    def __init__(self, environment: Environment, plan: Plan, client: Child) -> None:
        """Have none yet."""
        self._ground = environment
        self._plan = plan
        self._client = client
        self._tokens = mint_tokens(environment.first_id, USERS, environment.signing_key)
        self.panels = {
            (measurement, processes): Panel(f"{title}, {format_processes(processes)}")
            for processes in plan.http_processes
            for measurement, title in MEASUREMENTS.items()
        }
        self.most_cpu = 0.0
        self.most_gets = 0.0

    def run(self, processes: int, distance: Distance, round_trips_ms: tuple[int, ...]) -> None:
        """Start a server for each contender, and measure them in turn, round by round."""
        environment = self._ground
        answers: dict[tuple[Contender, int], list[dict[str, float]]] = {
            (contender, ms): [] for ms in round_trips_ms for contender in PATHS
        }
        with ExitStack() as stack:
            servers = {
                contender: stack.enter_context(
                    BenchmarkServer(
                        environment.new_directory(),
                        environment.variables(contender, distance.port),
                        processes=processes,
                        served=SERVED.get(contender, PRODUCT),
                    )
                )
                for contender in PATHS
            }
            distance.set_round_trip(0)
            for contender, server in servers.items():
                self._warm_up(contender, server)
            for number in range(self._plan.http_rounds):
                for contender, ms in shuffled(answers, number):
                    distance.set_round_trip(ms)
                    answers[contender, ms].append(
                        self._ask(contender, servers[contender], seed=number)
                    )
        for (contender, ms), rounds in answers.items():
            self._keep(processes, contender.label, _format_distance(ms), rounds)

    def _warm_up(self, contender: Contender, server: BenchmarkServer) -> None:
        def look_up() -> int:
            return int(self._ask(contender, server, seed=0, seconds=WARM_SECONDS)["requests"])

        if contender is L1:
            self.most_gets = max(self.most_gets, warm_up(self._ground, look_up))
        else:
            look_up()

    def _ask(
        self, contender: Contender, server: BenchmarkServer, *, seed: int, seconds: float = 0.0
    ) -> dict[str, float]:
        answer: dict[str, float] = self._client.ask(
            "run",
            port=server.port,
            requests=[format_request(PATHS[contender], token) for token in self._tokens],
            connections=THREADS * server.processes,
            seconds=seconds or self._plan.http_seconds,
            seed=seed,
        )
        self.most_cpu = max(self.most_cpu, answer["cpu"])
        return {**answer, RATE: answer["requests"] / answer["seconds"]}

    def rate(self, processes: int, contender: Contender, ms: int) -> Series:
        """Return the requests per second of a contender's, the database so far away."""
        return self.panels[RATE, processes].get(contender.label, _format_distance(ms))

    def _keep(
        self, processes: int, label: str, column: str, rounds: list[dict[str, float]]
    ) -> None:
        for measurement in MEASUREMENTS:
            panel = self.panels[measurement, processes]
            panel.add(label, column, [answer[measurement] for answer in rounds])


def format_processes(count: int) -> str:
    """Return `2 worker processes`."""
    return f"{count} worker process{'es' if count > 1 else ''}"


def _format_distance(ms: int) -> str:
    return f"database {ms} ms away"
