"""A few seconds of every scenario; `make fleet` plays them for longer."""

from collections.abc import Iterator

import pytest

from tests.fleet.director import play
from tests.fleet.fleet import Fleet
from tests.fleet.scenarios import SCENARIOS, Scenario

pytestmark = [pytest.mark.redis, pytest.mark.postgresql]

SECONDS = 1.5
SEED = 1
PATIENT = {"USERCACHE_REDIS_TIMEOUT_SECONDS": "0.75"}
"""Three times the default: a machine that is slow for a moment is no Redis that is lost."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run one fleet for all of them."""
    with Fleet(tmp_path_factory.mktemp("fleet"), **PATIENT) as fleet:
        yield fleet


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_promises_are_kept(fleet: Fleet, scenario: Scenario) -> None:
    """Nobody is served what is older than promised, and no request fails."""
    figures = play(fleet, scenario, seconds=SECONDS, seed=SEED)
    broken = list(scenario.promise.broken(figures))
    assert not broken, f"To repeat it: {scenario.spell_command(SECONDS, SEED)}"
