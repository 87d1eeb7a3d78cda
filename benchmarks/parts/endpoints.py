"""What users call, each endpoint by itself, and where the time of a warm request goes."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.checkout import check_out
from benchmarks.child import Child
from benchmarks.contenders import Contender, make_product
from benchmarks.environment import THREADS, Environment
from benchmarks.measurement import Series, shuffled
from benchmarks.outcome import Outcome, Panel
from benchmarks.parts.http import GENERATOR
from benchmarks.plan import Plan
from benchmarks.targets import FORWARD_OVER_VERIFY, OVER_VERIFY, VERIFY_OVER_OTHER, Verdict
from benchmarks.users import mint_tokens
from benchmarks.web.generator import format_request
from benchmarks.web.server import PRODUCT, BenchmarkServer
from tests.servers.redis_server import RedisServer

Request = Mapping[str, str]

PROGRAM: Final = Path(__file__).parent.parent / "workloads" / "requests.py"
USERS: Final = 200
"""They read about themselves, or about the next; as many others change themselves or log in."""
ADMITTED: Final = 20
"""So many log in."""
PASSWORD: Final = "conch-salad-at-noon"
CONNECTIONS: Final = 2
"""As many slow requests, such as log-ins, as a process of four threads takes at once."""
REPEATS: Final = 15
"""Of ten requests each; a layer's time in a round is that of the quickest ten."""
COUNTED: Final = 40
WARM_SECONDS: Final = 0.5
THIS: Final = "this commit"
VERIFY: Final = "GET /auth/verify"
FORWARD: Final = "GET /auth/forward"
PROFILE: Final = "GET /auth/profile"
USER: Final = "GET /users/{id}"
LOOK_UP: Final = "GET /users/lookup?username="
PAGE: Final = "GET /users?page="
PATCH: Final = "PATCH /auth/profile"
LOGIN: Final = "POST /auth/login"
IN_TURN: Final = ((VERIFY, FORWARD, PROFILE, USER, LOOK_UP), (PAGE,), (PATCH,), (LOGIN,))
"""Endpoints whose CPU is measured together, request by request."""
LAYERED: Final = (VERIFY, PROFILE)
CPU: Final = "CPU, µs"
PER_CPU: Final = "requests per CPU second"
SERVER: Final = "server, sockets and client"
MICROSECONDS: Final = 1000
"""In a millisecond."""
REMARKS: Final = """
- *CPU* is processor time in one thread, through the WSGI application without a server. Requests/s,
  percentiles and requests per CPU second of the server are over HTTP: granian with one worker
  process of {threads} threads, and {connections} connections. {users} users, all warm. Queries and
  round trips to Redis are those before the answer.
- A page is one of the first hundred of {all_users:,} users. Each PATCH changes the occupation. A
  log-in hashes the password, which is what it takes.
- A layer's time is without the layers within it: a middleware's is the difference between a handler
  with it and one without, and may come out below zero where it takes next to nothing. The server's
  is half of the answers' time over one connection, less the CPU of the rest.
- {against}
""".strip()


class Participant(NamedTuple):
    """One commit's processes."""

    child: Child
    server: BenchmarkServer
    redis: RedisServer


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Measure each endpoint of this commit, and of the other one if there is one, in turn."""
    with ExitStack() as stack:
        contenders = [make_product(THIS)]
        if plan.against:
            checkout = stack.enter_context(check_out(plan.against, environment.new_directory()))
            contenders.append(make_product(plan.against, checkout))
        participants = {
            contender.label: stack.enter_context(start(environment, contender))
            for contender in contenders
        }
        generator = Child(GENERATOR, environment.variables(contenders[0]), environment.new_log())
        client = stack.enter_context(generator)
        requests = list_requests(environment)
        for participant in participants.values():
            first = environment.first_id + USERS
            participant.child.ask(
                "set_password", pks=[*range(first, first + ADMITTED)], password=PASSWORD
            )
        remark = REMARKS.format(
            threads=THREADS,
            connections=CONNECTIONS,
            users=USERS,
            all_users=environment.users,
            against=_compare_answers(participants, requests),
        )
        return _measure(participants, client, requests, plan, remark)


@contextmanager
def start(
    environment: Environment, contender: Contender, **variables: str
) -> Iterator[Participant]:
    """Start a contender's processes, on a Redis of their own."""
    with ExitStack() as stack:
        # Its own: two commits must not answer for each other.
        redis = stack.enter_context(RedisServer(environment.new_directory()))
        variables = {**variables, "REDIS_URL": redis.url}
        child = stack.enter_context(
            environment.run_program(PROGRAM.read_text(), contender, **variables)
        )
        server = BenchmarkServer(
            environment.new_directory(),
            {**environment.variables(contender), **variables},
            processes=1,
            served=_find_way(contender.checkout),
            checkout=contender.checkout,
        )
        yield Participant(child, stack.enter_context(server), redis)


def _find_way(checkout: Path) -> Sequence[str]:
    # An earlier commit has no event loop, and as many threads as it is told.
    if (checkout / "hiremebahamas/server/application.py").exists():
        return PRODUCT
    worker = "hiremebahamas.server.worker:application"
    return (worker, "--interface", "wsgi", "--blocking-threads", str(THREADS))


def list_requests(environment: Environment) -> dict[str, list[Request]]:
    """Return what is asked for each endpoint."""
    first = environment.first_id
    tokens = mint_tokens(first, 2 * USERS, environment.signing_key)

    def read(path: Callable[[int], str]) -> list[Request]:
        return [
            {"method": "GET", "path": path(n), "token": token, "body": ""}
            for n, token in enumerate(tokens[:USERS], 1)
        ]

    return {
        VERIFY: read(lambda _: "/auth/verify"),
        FORWARD: read(lambda _: "/auth/forward"),
        PROFILE: read(lambda _: "/auth/profile"),
        USER: read(lambda n: f"/users/{first + n % USERS}"),
        # Of ten users, the tenth has no username.
        LOOK_UP: read(lambda n: f"/users/lookup?username=user{n if n % 10 < 9 else n - 1}"),
        PAGE: read(lambda n: f"/users?page={n % 100 + 1}"),
        PATCH: [
            {
                "method": "PATCH",
                "path": "/auth/profile",
                "token": token,
                "body": json.dumps({"occupation": occupation}),
            }
            for token in tokens[USERS:]
            for occupation in ("Chef", "Diver")
        ],
        LOGIN: [
            {
                "method": "POST",
                "path": "/auth/login",
                "token": "",
                "body": json.dumps({"email": f"user{n}@example.com", "password": PASSWORD}),
            }
            for n in range(USERS + 1, USERS + ADMITTED + 1)
        ],
    }


def _compare_answers(
    participants: Mapping[str, Participant], requests: Mapping[str, Sequence[Request]]
) -> str:
    if len(participants) == 1:
        return "`--against COMMIT` measures another commit's code in the same run."
    other = next(label for label in participants if label != THIS)
    differing = [
        name
        for name in (VERIFY, PROFILE, USER, LOOK_UP, PAGE)
        if len({str(p.child.ask("show", requests=requests[name])) for p in participants.values()})
        > 1
    ]
    if not differing:
        return f"Against {other}, whose answers to the five GETs are the same, byte for byte."
    return f"Against {other}, which answers something else to {', '.join(differing)}."


def _measure(
    participants: Mapping[str, Participant],
    client: Child,
    requests: Mapping[str, Sequence[Request]],
    plan: Plan,
    remark: str,
) -> Outcome:
    found = defaultdict[tuple[str, str, str], list[float]](list)
    layers = defaultdict[tuple[str, str, str], list[float]](list)
    turns = [(label, name) for label in participants for name in requests]
    for label, name in turns:
        for column, value in _warm_up(participants[label], client, requests[name]).items():
            found[label, name, column].append(value)
    for number in range(plan.endpoint_rounds):
        for label, names in shuffled(product(participants, IN_TURN), number):
            took = participants[label].child.ask(
                "time_requests",
                requests={name: requests[name] for name in names},
                seconds=plan.endpoint_seconds * len(names),
            )
            for name, microseconds in took.items():
                found[label, name, CPU].append(microseconds)
        for label, name in shuffled(turns, number):
            turn = (participants[label], client, requests[name], plan.endpoint_seconds, number)
            for column, value in _measure_over_http(*turn).items():
                found[label, name, column].append(value)
            for layer, value in (_measure_layers(*turn) if name in LAYERED else {}).items():
                layers[label, layer, name].append(value)
    panels = _make_panels("Endpoints", found)
    layer_panels = _make_panels("A warm request, µs", layers)
    return Outcome(
        "endpoints",
        "Endpoints",
        [*panels.values(), *layer_panels.values()],
        _judge(panels),
        remark,
    )


def _warm_up(
    participant: Participant, client: Child, requests: Sequence[Request]
) -> dict[str, float]:
    participant.child.ask("time_requests", requests={"": requests}, seconds=WARM_SECONDS)
    _ask_over_http(participant, client, requests, WARM_SECONDS, seed=0)
    counted = participant.child.ask("count_operations", requests=requests[:COUNTED])
    return {"queries": counted["queries"], "round trips to Redis": counted["redis"]}


def _measure_over_http(
    participant: Participant,
    client: Child,
    requests: Sequence[Request],
    seconds: float,
    number: int,
) -> dict[str, float]:
    before = participant.server.cpu_seconds()
    answer = _ask_over_http(participant, client, requests, seconds, seed=number)
    spent = participant.server.cpu_seconds() - before
    return {
        PER_CPU: answer["requests"] / spent,
        "requests/s": answer["requests"] / answer["seconds"],
        "p50, ms": answer["p50_ms"],
        "p99, ms": answer["p99_ms"],
    }


def _measure_layers(
    participant: Participant,
    client: Child,
    requests: Sequence[Request],
    seconds: float,
    number: int,
) -> dict[str, float]:
    took: dict[str, float] = participant.child.ask(
        "time_layers", request=requests[0], repeats=REPEATS
    )
    answer = _ask_over_http(participant, client, requests, seconds, seed=number, connections=1)
    return {SERVER: answer["p50_ms"] * MICROSECONDS - sum(took.values()), **took}


def _make_panels(
    title: str, found: Mapping[tuple[str, str, str], Sequence[float]]
) -> dict[str, Panel]:
    panels: dict[str, Panel] = {}
    for (label, row, column), values in found.items():
        panel = panels.setdefault(label, Panel(f"{title}, {label}"))
        panel.add(row, column, values)
    return panels


def _ask_over_http(
    participant: Participant,
    client: Child,
    requests: Sequence[Request],
    seconds: float,
    *,
    seed: int,
    connections: int = CONNECTIONS,
) -> dict[str, Any]:
    raw = [format_request(**request) for request in requests]
    answer: dict[str, Any] = client.ask(
        "run",
        port=participant.server.port,
        requests=raw,
        connections=connections,
        seconds=seconds,
        seed=seed,
    )
    return answer


def _judge(panels: Mapping[str, Panel]) -> list[Verdict]:
    def cpu(label: str, name: str) -> Series:
        return panels[label].get(name, CPU)

    forward, verify = (panels[THIS].get(name, PER_CPU) for name in (FORWARD, VERIFY))
    verdicts = [
        Verdict(FORWARD_OVER_VERIFY, "over sockets", forward.over(verify)),
        *(
            Verdict(OVER_VERIFY, name, cpu(THIS, name).over(cpu(THIS, VERIFY)))
            for name in (PROFILE, USER, LOOK_UP)
        ),
    ]
    return verdicts + [
        Verdict(VERIFY_OVER_OTHER, label, cpu(label, VERIFY).over(cpu(THIS, VERIFY)))
        for label in panels
        if label != THIS
    ]
