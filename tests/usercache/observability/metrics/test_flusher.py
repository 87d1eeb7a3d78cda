"""The thread that takes metrics to the others, and what the end of a process waits for."""

from dataclasses import replace

import pytest

from tests.clocks import Clock
from tests.usercache.observability.recorded import recorded
from tests.waiting import wait_until
from usercache.events import REDIS
from usercache.observability.metrics.flusher import Flusher
from usercache.observability.metrics.recorder import Batch, Recorder
from usercache.observability.metrics.state import REPORT_SECONDS, ProcessState
from usercache.observability.metrics.store import MetricsStore

NEVER_SECONDS = 3600.0
STATE = ProcessState("token", "web1", 7, "gunicorn", 1000.0, "closed", "")


class Recipient(MetricsStore):
    """Takes batches while it works."""

    def __init__(self) -> None:
        self.works = True
        self.flushed = list[tuple[Batch | None, ProcessState | None, ProcessState | None]]()
        self.ended = list[ProcessState]()

    def flush(
        self,
        batch: Batch | None,
        state: ProcessState | None = None,
        before: ProcessState | None = None,
    ) -> bool:
        self.flushed.append((batch, state, before))
        return self.works

    def sign_off(self, state: ProcessState) -> None:
        self.ended.append(state)

    def batches(self) -> list[tuple[int, dict[str, int]]]:
        sent = [batch for batch, *_ in self.flushed if batch is not None]
        return [(b.number, dict(part.counts)) for b in sent for part in b.buckets.values()]


def fail(error: Exception) -> None:
    pytest.fail(repr(error))


def test_undelivered_batch_is_sent_again_before_what_came_since() -> None:
    """It keeps its number, by which Redis knows it; the end of the process delivers the rest."""
    recorder, recipient = Recorder(), Recipient()
    flusher = Flusher(recorder, recipient, lambda: STATE, NEVER_SECONDS, fail)
    recipient.works = False
    recorder.count("fills", 2)
    flusher.flush()
    recorder.count("fills")
    recipient.works = True
    flusher.end()
    assert recipient.batches() == [
        (1, {"fills": 2}),
        (1, {"fills": 2}),
        (2, {"fills": 1}),
    ]
    assert recorded(recorder) == {}


def test_state_is_told_when_it_changes_and_now_and_then() -> None:
    """A process that does nothing says every five seconds that it is there, and when it goes."""
    state, clock, recipient = STATE, Clock(), Recipient()
    flusher = Flusher(Recorder(), recipient, lambda: state, NEVER_SECONDS, fail, clock=clock)
    for _ in range(3):
        flusher.flush()
    assert [state for _, state, _ in recipient.flushed] == [STATE]
    state = replace(STATE, breaker="open")
    flusher.flush()
    assert recipient.flushed[-1] == (None, state, STATE)
    clock.now += REPORT_SECONDS
    flusher.flush()
    assert len(recipient.flushed) == 3
    flusher.end()
    assert recipient.ended == [state]


def test_thread_folds_also_where_there_is_no_store() -> None:
    """Without Redis, look-ups don't pile up."""
    recorder = Recorder()
    flusher = Flusher(recorder, None, lambda: STATE, 0.01, fail)
    flusher.start()
    recorder.note_lookup(REDIS, 0.0, 7)
    wait_until(lambda: not recorder._noted, "the look-up is folded in")
    flusher.end()
    assert recorded(recorder) == {"hits_redis": 1}
