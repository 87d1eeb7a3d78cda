"""A second or two of each scenario, of one in `make test`; `make fleet` plays them longer."""

from collections.abc import Iterator

import pytest

from tests.fleet.director import play
from tests.fleet.scenarios import SCENARIOS, Scenario
from tests.fleet.small_fleet import SmallFleet

pytestmark = [pytest.mark.redis, pytest.mark.postgresql]

SECONDS = 1.5
SEED = 1
IN_EVERY_RUN = {"Redis killed and restarted"}
PATIENT = {
    "USERCACHE_REDIS_TIMEOUT_SECONDS": "3",
    "DATABASE_TIMEOUT_SECONDS": "8",
    "AUTH_REFRESH_GRACE_SECONDS": "60",
}
"""More than by default: a machine that is slow for a moment is no server that is lost."""


@pytest.fixture(scope="module")
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SmallFleet]:
    """Run one fleet for all of them, and one without Redis."""
    path = tmp_path_factory.mktemp("fleet")
    with SmallFleet(path, settings=PATIENT, has_redis=request.param) as fleet:
        yield fleet


@pytest.mark.parametrize(
    ("fleet", "scenario"),
    [
        pytest.param(
            scenario.has_redis,
            scenario,
            id=scenario.name,
            marks=() if scenario.name in IN_EVERY_RUN else pytest.mark.long,
        )
        for scenario in SCENARIOS
    ],
    indirect=["fleet"],
)
def test_promises_are_kept(fleet: SmallFleet, scenario: Scenario) -> None:
    """Nobody is served what is older than promised, and no request fails."""
    result = play(fleet, scenario, seconds=SECONDS, seed=SEED)
    broken = list(scenario.promise.on_a_busy_machine().broken(result))
    assert not broken, f"To repeat it: {scenario.format_command(SECONDS, SEED)}"
