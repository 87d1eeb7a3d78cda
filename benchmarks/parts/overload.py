"""Four times as many requests as the server can answer: who is served, and how soon."""

from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.child import Child
from benchmarks.contenders import make_product
from benchmarks.environment import THREADS, Environment
from benchmarks.outcome import Outcome, Panel
from benchmarks.plan import Plan
from benchmarks.targets import GOODPUT, LIGHT_ANSWERED, Verdict
from benchmarks.users import mint_tokens
from benchmarks.web.generator import format_request
from tests.servers.nginx_server import NginxServer, read_published, upstream
from tests.servers.server import HOST, find_free_port
from tests.servers.stack import PROJECT
from tests.standing.servers import ProductionServer

TIMES: Final = 4
USERS: Final = 200
BUSY: Final = "requests"
VERIFY: Final = "GET /auth/verify"
LIVE: Final = "GET /health/live"
LIGHT_RATE: Final = 20.0
CONNECTIONS: Final = {BUSY: 300, VERIFY: 8, LIVE: 8}
CAPACITY_CONNECTIONS: Final = 8
WARM_SECONDS: Final = 1.0
PROGRAM: Final = """
from benchmarks.service import serve
from benchmarks.web.crowd import run_crowd
from benchmarks.web.generator import run
serve({"run": run, "run_crowd": run_crowd})
"""
REMARKS: Final = """
- `make serve` with one worker of {threads} threads, behind nginx with the configuration of
  `deploy/nginx/` except TLS; both write their access log. *Requests* are profiles and users by id,
  from {users} warm users, half each. The capacity is what {connections} connections get that ask
  again as soon as they are answered. Then {times} times as many are asked each second, answered or
  not, on {busy} connections; beside them, {light:.0f} a second of each light request.
- Unsent are those that found each connection waiting for an answer.
""".strip()


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Measure the capacity, and then what is left of it under four times as much, in turn."""
    contender = make_product("this commit")
    variables = environment.variables(contender)
    variables |= {
        "WEB_WORKERS": "1",
        "WEB_THREADS": str(THREADS),
        "PYTHONPATH": str(PROJECT),
        "TRUST_X_FORWARDED_PROTO": "True",
        "NUM_PROXIES": "1",
    }
    requests = _list_requests(environment)
    panel, shares, answered = Panel("Four times the capacity"), list[float](), list[float]()
    found: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(ProductionServer(environment.new_directory(), variables))
        gateway = stack.enter_context(_make_nginx(environment.new_directory(), server))
        client = stack.enter_context(Child(PROGRAM, variables, environment.new_log()))
        for number in range(plan.overload_rounds + 1):
            seconds = plan.overload_seconds if number else WARM_SECONDS
            alone = client.ask(
                "run",
                port=gateway.port,
                requests=requests[BUSY],
                connections=CAPACITY_CONNECTIONS,
                seconds=seconds,
                seed=number,
            )
            capacity = alone["requests"] / alone["seconds"]
            told = client.ask(
                "run_crowd",
                port=gateway.port,
                requests=requests,
                rates={BUSY: TIMES * capacity, VERIFY: LIGHT_RATE, LIVE: LIGHT_RATE},
                connections=CONNECTIONS,
                seconds=seconds,
                seed=number,
            )
            if not number:  # to warm up
                continue
            found.setdefault((BUSY, "capacity, /s"), []).append(capacity)
            for name, row in told.items():
                for column, value in row.items():
                    found.setdefault((name, _title(column)), []).append(value)
            shares.append(100 * told[BUSY]["ok"] / capacity)
            answered.append(100 * min(told[it]["ok"] for it in (VERIFY, LIVE)) / LIGHT_RATE)
    for (row, column), values in found.items():
        panel.add(row, column, values)
    remarks = REMARKS.format(
        threads=THREADS,
        users=USERS,
        connections=CAPACITY_CONNECTIONS,
        times=TIMES,
        busy=CONNECTIONS[BUSY],
        light=LIGHT_RATE,
    )
    verdicts = [
        Verdict(GOODPUT, "", tuple(shares)),
        Verdict(LIGHT_ANSWERED, "", tuple(answered)),
    ]
    return Outcome("overload", "Overload", [panel], verdicts, remarks)


def _make_nginx(directory: Path, server: ProductionServer) -> NginxServer:
    # As it is published, without TLS, which the client would have to speak.
    site = read_published(
        "hiremebahamas.conf",
        {
            "listen 80;": f"listen {HOST}:{find_free_port()};",
            "listen 443 ssl http2;": f"listen {HOST}:PORT;",
            "ssl_certificate /etc/ssl/hiremebahamas/fullchain.pem;": "",
            "ssl_certificate_key /etc/ssl/hiremebahamas/privkey.pem;": "",
            "ssl_protocols TLSv1.2 TLSv1.3;": "",
            # A client that is told to reconnect would have to, in the middle of a round.
            "server_tokens off;": "keepalive_requests 1000000;",
            "/var/log/nginx/": f"{directory}/",
        },
    )
    return NginxServer(directory, upstream(f"{HOST}:{server.port}"), site)


def _title(column: str) -> str:
    what, _, unit = column.partition("_p99_")
    return f"{what}, p99 {unit}" if unit else f"{what}, /s"


def _list_requests(environment: Environment) -> dict[str, list[str]]:
    first = environment.first_id
    tokens = mint_tokens(first, USERS, environment.signing_key)
    busy = [
        format_request(path, token)
        for number, token in enumerate(tokens)
        for path in ("/auth/profile", f"/users/{first + number}")
    ]
    verify = [format_request("/auth/verify", token) for token in tokens]
    return {BUSY: busy, VERIFY: verify, LIVE: [format_request("/health/live", "")]}
