"""What the soak calls growth, and what it reads of a process."""

import os
import threading

import pytest

from benchmarks.soak.samples import FILES, MEMORY, SLACK, THREADS, Samples, look_at


def sampled(values: list[float]) -> Samples:
    """Return a sample a second."""
    samples = Samples()
    for second, value in enumerate(values):
        samples.add(second, {MEMORY: {"instance 1": value}})
    return samples


@pytest.mark.parametrize(
    ("values", "has_grown"),
    [
        ([50, 50, *[200] * 28], False),  # caches that fill at first
        ([200 + 0.1 * n for n in range(30)], False),
        ([100 + 5 * n for n in range(40)], True),
        ([100.0 * (n % 7 == 3) + 100 for n in range(40)], False),  # single moments
    ],
)
def test_growth_is_from_the_second_quarter_to_the_last(
    values: list[float], has_grown: bool
) -> None:
    """By the medians, and by more than a tenth and the slack."""
    assert bool(sampled(values).grown()) is has_grown


def test_growth_is_said() -> None:
    """With what, where, and from how much to how much."""
    [sentence] = sampled([10.0] * 20 + [10.0 + 2 * SLACK[MEMORY]] * 20).grown()
    assert sentence == "memory, MB of instance 1: 10 in the second quarter, 26 in the last"


def test_process_is_read() -> None:
    """A thread and a file more are a thread and a file more."""
    ended = threading.Event()
    before = look_at(os.getpid())
    thread = threading.Thread(target=ended.wait)
    thread.start()
    read_end, write_end = os.pipe()
    after = look_at(os.getpid())
    ended.set()
    thread.join()
    os.close(read_end)
    os.close(write_end)
    assert after[THREADS] == before[THREADS] + 1
    assert after[FILES] == before[FILES] + 2
    assert after[MEMORY] > 10
