"""The product as in production, against what schemathesis makes of its OpenAPI document."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.production_server import ProductionServer
from tests.processes import environment
from tests.servers.stack import PROJECT

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMATHESIS = (sys.executable, "-m", "schemathesis.cli", "run")
# All of its checks but one: it takes a wrong password, or the token of no message, for a mistake.
CHECKS = "--exclude-checks=positive_data_acceptance"
# Nothing is remembered from another run. What it sends follows from the seed and the answers.
SAME = ("--seed=1", "--generation-database=none")
WHOLE = ("--phases=examples,coverage,fuzzing,stateful", "--max-examples=10")
SHORT = ("--phases=examples,fuzzing", "--max-examples=1")
RUN_SECONDS = 540
"""Ten times what a run takes on an idle machine; less than a test may."""


@pytest.fixture(scope="session")
def web_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProductionServer]:
    """Run the product as `make serve` does, with the limits of this test run, which are none."""
    directory = tmp_path_factory.mktemp("web")
    with ProductionServer(directory, variables={"WEB_WORKERS": "2"}) as server:
        yield server


@pytest.mark.parametrize(
    ("role", "extent"),
    [
        pytest.param("anonymous", WHOLE, id="anonymous", marks=pytest.mark.fuzz),
        pytest.param("user", WHOLE, id="user", marks=pytest.mark.fuzz),
        pytest.param("admin", WHOLE, id="admin", marks=pytest.mark.fuzz),
        pytest.param("user", SHORT, id="short", marks=pytest.mark.long),
    ],
)
def test_answers_are_as_documented(
    role: str, extent: tuple[str, ...], web_server: ProductionServer, tmp_path: Path
) -> None:
    """Nothing that the document allows or doesn't has an answer other than described, or a 5xx."""
    variables = {"PYTHONPATH": str(PROJECT), "FUZZ_ROLE": role, "NO_COLOR": "1"}
    if role != "anonymous":
        variables["SCHEMATHESIS_HOOKS"] = "tests.fuzz.hooks"
    before = len(web_server.read_log())

    result = subprocess.run(
        [*SCHEMATHESIS, f"{web_server.url}/api/schema", CHECKS, *SAME, *extent],
        cwd=tmp_path,  # where it keeps what failed
        env=environment(**variables),
        check=False,
        timeout=RUN_SECONDS,
    )

    assert result.returncode == 0
    # Not said of the anonymous: they register, and go on with the tokens that they get.
    if role != "anonymous":
        assert '"GET /auth/profile HTTP/1.1" 200' in web_server.read_log()[before:]
