"""Questions to a database that may hang: an answer, or an error in time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DataError

from tests.waiting import WAIT_SECONDS, wait_until
from usercache.observability.bounded_query import BoundedQuery, DatabaseHangsError


def test_answer_is_passed_on() -> None:
    """Each question is asked for itself."""
    answers = iter([1, 2])
    ask = BoundedQuery(lambda: next(answers), WAIT_SECONDS)
    assert [ask(), ask()] == [1, 2]


def test_error_is_passed_on() -> None:
    """As the database raised it."""

    def fail() -> int:
        raise DataError("no such table")

    with pytest.raises(DataError, match="no such table"):
        BoundedQuery(fail, WAIT_SECONDS)()


def test_hanging_costs_a_bounded_time_and_one_thread() -> None:
    """However many ask meanwhile; once it answers again, so does this."""
    goes_on = threading.Event()
    asked: list[str] = []

    def hang() -> int:
        asked.append(threading.current_thread().name)
        assert goes_on.wait(WAIT_SECONDS)
        return len(asked)

    ask = BoundedQuery(hang, 0.01)
    for _ in range(3):
        with pytest.raises(DatabaseHangsError, match=r"not answered in 0\.01 s"):
            ask()
    assert len(asked) == 1
    goes_on.set()
    patient = BoundedQuery(hang, WAIT_SECONDS)
    assert patient() == 2


def test_who_comes_later_waits_no_longer_than_the_first() -> None:
    """Or so many callers, one after the other, would keep threads waiting as long as it hangs."""
    goes_on = threading.Event()
    now = [0.0]
    read_at: list[float] = []

    def clock() -> float:
        read_at.append(now[0])
        return now[0]

    ask = BoundedQuery(lambda: goes_on.wait(WAIT_SECONDS), WAIT_SECONDS, clock)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask)
        wait_until(lambda: len(read_at) == 2, "the first knows how long it waits")
        now[0] = WAIT_SECONDS
        with pytest.raises(DatabaseHangsError):
            ask()
        assert not first.done()
        goes_on.set()
        assert first.result(WAIT_SECONDS)
