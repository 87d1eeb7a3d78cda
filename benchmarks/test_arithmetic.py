"""The benchmarks' own arithmetic; what they measure fails no test."""

import datetime
import socket
from pathlib import Path
from random import Random

import pytest

from benchmarks import ledger
from benchmarks.errors import BenchmarkError
from benchmarks.formatting import (
    format_all,
    format_markdown,
    format_table,
    tabulate_panel,
    tabulate_verdicts,
)
from benchmarks.ledger import Ledger
from benchmarks.measurement import Series, percentile, shuffled, spread_of
from benchmarks.outcome import Panel
from benchmarks.targets import Target, Verdict
from benchmarks.web.generator import Connection, format_request
from benchmarks.weight import count_bytes
from benchmarks.zipf import Zipf, expiries_per_thousand

AT_LEAST = Target("requests/s", 1.1, is_minimum=True, unit="x")
AT_MOST = Target("queries", 10.0, is_minimum=False)
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{  }"


def test_spread_is_median_and_quartiles() -> None:
    """A single round is all three of them."""
    assert spread_of([5.0, 1.0, 3.0, 2.0, 4.0]) == (3.0, 2.0, 4.0)
    assert spread_of([7.0]) == (7.0, 7.0, 7.0)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    """The smallest that so many don't exceed."""
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == expected


def test_comparison_is_by_round() -> None:
    """A round that was slow for both changes nothing."""
    mine, its = Series("a", "µs", (1.0, 10.0)), Series("b", "µs", (2.0, 20.0))
    assert mine.over(its) == (0.5, 0.5)


def test_nobody_always_follows_the_same_one() -> None:
    """Each round has all of them, in an order of its own, which is the next run's as well."""
    orders = [tuple(shuffled("abc", number)) for number in range(40)]
    assert {"".join(order) for order in orders} == {"abc", "acb", "bac", "bca", "cab", "cba"}
    assert orders == [tuple(shuffled("abc", number)) for number in range(40)]


def test_zipf_draws_the_first_twice_as_often_as_the_second() -> None:
    """And the same ranks for the same seed."""
    ranks = Zipf(1000, 1.0, Random(7)).draw(20_000)
    assert ranks.count(0) / ranks.count(1) == pytest.approx(2, rel=0.1)
    assert ranks == Zipf(1000, 1.0, Random(7)).draw(20_000)
    assert max(ranks) < 1000


def test_who_is_asked_for_alone_is_loaded_once_in_a_ttl_and_a_wait() -> None:
    """Ten requests a second, and 300 s: one in 3,001 finds the record run out."""
    found = expiries_per_thousand(1, 1.0, requests_per_second=10, ttl_seconds=300)
    assert found == pytest.approx(1000 / 3001)


def test_targets_are_met_on_their_bound() -> None:
    """And missed on the wrong side of it."""
    assert [AT_LEAST.is_met(x) for x in (1.09, 1.1, 1.2)] == [False, True, True]
    assert [AT_MOST.is_met(x) for x in (9.0, 10.0, 10.1)] == [True, True, False]


def test_missed_targets_are_shown_as_such() -> None:
    """Beside what was measured, with the quartiles where there are some."""
    verdicts = [
        Verdict(AT_LEAST, "2 workers", (1.0, 1.0, 1.2)),
        Verdict(AT_MOST, "", (8.0,)),
    ]
    assert tabulate_verdicts(verdicts)[1:] == [
        ("requests/s, 2 workers", "1.00", "1.00-1.10", "at least 1.1 x", "missed"),
        ("queries", "8.00", "", "at most 10", "met"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (1234.5, "1,234"), (99.96, "100.0"), (12.34, "12.3"), (0.01234, "0.012")],
)
def test_figures_have_the_digits_that_count(value: float, expected: str) -> None:
    """However large they are."""
    assert format_all(value) == expected


def test_tables_have_a_line_per_row_and_gaps_where_nothing_was_measured() -> None:
    """As text and as Markdown."""
    panel = Panel("One look-up, µs")
    panel.add("cacheops", "l1", [1.0])
    panel.add("usercache", "far", [20.0])
    table = tabulate_panel(panel)
    assert format_table(table).splitlines() == [
        "One look-up, µs    l1   far",
        "cacheops         1.00",
        "usercache              20.0",
    ]
    assert format_markdown(table).splitlines()[1:3] == [
        "| --- | --: | --: |",
        "| cacheops | 1.00 |  |",
    ]


def test_own_bytes_are_what_the_columns_say() -> None:
    """Text in UTF-8, numbers and times 8, truth 1, nothing 0."""
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    values = ("Zoë", 7, moment, True, None)
    assert [count_bytes(value) for value in values] == [4, 8, 8, 1, 0]


def test_ledger_knows_the_newest_of_all_processes(tmp_path: Path) -> None:
    """However late an older version is acknowledged."""
    path = tmp_path / "ledger"
    ledger.create(path, processes=2, users=3)
    one, two = (Ledger(path, users=3, process=number) for number in range(2))
    one.acknowledge(2, 5)
    two.acknowledge(2, 4)
    one.acknowledge(2, 3)
    assert [two.newest(user) for user in range(3)] == [0, 0, 5]


def test_answer_is_whole_when_its_body_is() -> None:
    """In however many pieces it comes; anything but 200 ends the benchmark."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(listener.getsockname()[1], iter([b"GET /\r\n\r\n"] * 2))
        server, _ = listener.accept()
        with server, connection.socket:
            connection.ask()
            for piece, is_whole in ((BODY[:20], False), (BODY[20:-1], False), (BODY[-1:], True)):
                server.sendall(piece)
                assert connection.read() == is_whole
            connection.ask()
            server.sendall(BODY.replace(b"200 OK", b"401 Unauthorized"))
            with pytest.raises(BenchmarkError, match="401"):
                connection.read()


def test_a_request_ends_where_its_body_does() -> None:
    """Its length is in bytes; without a token or a body it has neither header."""
    assert format_request("/a", "") == "GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head, _, body = format_request("/a", "t", method="PATCH", body='{"ö": 1}').partition("\r\n\r\n")
    assert body == '{"ö": 1}'
    assert head.splitlines()[2:] == [
        "Authorization: Bearer t",
        "Content-Type: application/json",
        "Content-Length: 9",
    ]
