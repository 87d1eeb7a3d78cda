"""The fleet test's own accounting: what it calls stale, and which promises it finds broken."""

import pytest

from tests.fleet.ledger import Ledger
from tests.fleet.promise import Promise
from tests.fleet.result import Result
from tests.fleet.tally import Stale, Tally

ALICE = 7
PROMISE = Promise(stale_seconds=1.0, cut_off_stale_seconds=5.0)


def result(**fields: object) -> Result:
    values: dict[str, object] = {"reads": 1, "permission_reads": 1, "writes": 1} | fields
    return Result("calm", Tally(**values), 1.0, None)  # type: ignore[arg-type]  # by name


def test_staleness_counts_from_the_first_newer_version() -> None:
    """However many were acknowledged since."""
    ledger = Ledger()
    ledger.add(ALICE)
    for version in (1, 2, 5):
        ledger.acknowledge(ALICE, version)
    first, second = (entry.at for entry in ledger._versions[ALICE][1:3])
    assert ledger.newest(ALICE) == 5
    assert ledger.staleness(ALICE, 0, first + 3) == pytest.approx(3)
    assert ledger.staleness(ALICE, 1, second + 3) == pytest.approx(3)


def test_late_acknowledgement_changes_nothing() -> None:
    """Of a version that is older than one that was acknowledged before."""
    ledger = Ledger()
    ledger.add(ALICE)
    ledger.acknowledge(ALICE, 2)
    ledger.acknowledge(ALICE, 1)
    assert ledger.newest(ALICE) == 2


@pytest.mark.parametrize(
    ("seconds", "is_disturbed", "is_cut_off", "is_kept"),
    [
        (0.9, True, False, True),
        (1.1, True, False, False),
        (4.9, True, True, True),
        (5.1, True, True, False),
        (0.001, False, False, False),
        (0.001, False, True, False),
    ],
)
def test_stale_answers_are_allowed_for_a_while_and_only_during_a_fault(
    seconds: float, is_disturbed: bool, is_cut_off: bool, is_kept: bool
) -> None:
    """Longer at servers that are cut off."""
    stale = Stale("read", seconds, is_disturbed, is_cut_off)
    assert (not list(PROMISE.broken(result(stale=[stale])))) == is_kept


@pytest.mark.parametrize(
    "fields",
    [
        {"failures": ["GET /: 500"]},
        {"reads": 0},
        {"permission_reads": 0},
        {"writes": 0},
        {"visibilities": [0.1, 1.1]},
        {"permission_visibilities": [0.1, 1.1]},
    ],
)
def test_failures_idleness_and_slow_sql_break_every_promise(fields: dict[str, object]) -> None:
    """Whatever the scenario."""
    assert list(PROMISE.broken(result(**fields)))


def test_a_busy_machine_may_be_slow_and_never_stale() -> None:
    """Ten times what takes work, and nothing more of what may not be."""
    promise = PROMISE.on_a_busy_machine()
    assert (promise.stale_seconds, promise.visible_seconds) == (10.0, 10.0)
    assert promise.cut_off_stale_seconds == 50.0
    assert promise.undisturbed_stale_seconds == 0
    assert Promise(undisturbed_stale_seconds=1.0).on_a_busy_machine() == Promise(
        undisturbed_stale_seconds=10.0, visible_seconds=10.0
    )


def test_excused_requests_break_none() -> None:
    """Those to a server that was killed, or without the database that was stopped."""
    assert not list(PROMISE.broken(result(killed=3, database_away=3, visibilities=[0.1])))
