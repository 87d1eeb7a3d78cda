"""The arithmetic of docs/capacity.md."""

import math
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.capacity_model import CORES, HEARING_MOST, USED, Cost, Telling, blend, plan_for
from benchmarks.errors import BenchmarkError
from benchmarks.outcome import Outcome, Panel

READ = Cost(500.0)
WRITE = Cost(3000.0, redis=100.0, postgresql=600.0, commands=3.0, queries=4.0)
SILENT = Telling(0.0, 0.0)
MACHINE = dict.fromkeys(("date", "CPU", "cores", "kernel", "PostgreSQL", "Redis server"), "x")


def test_mix_costs_the_average_of_its_parts() -> None:
    """Whatever the parts add up to."""
    costs = {"read": READ, "write": WRITE}
    assert blend(costs, {"read": 3, "write": 1}) == Cost(1125.0, 25.0, 150.0, 0.75, 1.0)
    assert blend(costs, {"read": 75, "write": 25}) == blend(costs, {"read": 3, "write": 1})


def test_workers_are_planned_with_a_part_of_their_core() -> None:
    """Ten thousand requests of half a millisecond are five seconds of work each second."""
    needs = plan_for(10_000, READ, 0.0, SILENT)
    assert needs["workers"] == math.ceil(5 / USED)
    assert needs["instances"] == math.ceil(needs["workers"] / CORES)
    assert (needs["Redis nodes"], needs["queries/s"], needs["messages to workers/s"]) == (0, 0, 0)


def test_each_write_is_told_to_each_worker() -> None:
    """Ten times the load is a hundred times the messages."""
    small, large = (plan_for(rate, READ, 0.01, SILENT) for rate in (12_000, 120_000))
    assert small["messages to workers/s"] == 12_000 * 0.01 * small["workers"]
    assert large["messages to workers/s"] == pytest.approx(100 * small["messages to workers/s"])


def test_hearing_of_writes_leaves_less_for_requests() -> None:
    """A hundred writes a second, of 1.5 ms each, are 15 % of each worker."""
    few, many = (plan_for(10_000, READ, 0.01, Telling(us, 1.0)) for us in (0.0, 1_500.0))
    assert many["workers"] == math.ceil(5 / (USED - 0.15)) > few["workers"]
    assert many["hearing of writes, % of a worker"] == pytest.approx(15)


def test_users_are_divided_where_hearing_takes_too_much() -> None:
    """Each part then hears of its own writes."""
    needs = plan_for(10_000, READ, 0.01, Telling(6_000.0, 1.0))
    assert needs["parts"] == math.ceil(0.6 / HEARING_MOST)
    assert needs["hearing of writes, % of a worker"] <= 100 * HEARING_MOST
    each = plan_for(10_000 / needs["parts"], READ, 0.01, Telling(6_000.0, 1.0))
    assert needs["workers"] == needs["parts"] * each["workers"]
    assert needs["Redis nodes"] == needs["parts"] * each["Redis nodes"]


def test_redis_and_postgresql() -> None:
    """Each by its own processor time."""
    needs = plan_for(10_000, WRITE, 0.0, SILENT)
    assert needs["Redis nodes"] == math.ceil(1 / USED)
    assert needs["PostgreSQL cores"] == pytest.approx(6 / USED)
    assert (needs["round trips to Redis/s"], needs["queries/s"]) == (30_000, 40_000)


def test_page_gets_new_figures_in_place_of_the_old(tmp_path: Path) -> None:
    """And nothing else changes; a page without a place for them is refused."""
    page = tmp_path / "capacity.md"
    panel = Panel("One request")
    panel.add("read", "web CPU, µs", [500.0])
    for before in ("", "old figures\n"):
        page.write_text(f"# Capacity\n\n{report.BEGIN}{before}{report.END}\nThe end.\n")
        report.update_page(page, MACHINE, Outcome("capacity", "Capacity", [panel]), "make bench")
        text = page.read_text()
        assert text.startswith("# Capacity\n")
        assert text.endswith("The end.\n")
        assert "old figures" not in text
        assert "| read | 500 |" in text
    page.write_text("# Capacity\n")
    with pytest.raises(BenchmarkError, match="no place for figures"):
        report.update_page(page, MACHINE, Outcome("capacity", "Capacity", [panel]), "make bench")
