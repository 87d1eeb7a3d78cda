"""The thread that takes figures to the others, and what the end of a process waits for."""

from tests.usercache.clocks import Clock
from tests.waiting import wait_until
from usercache.delivery import Delivery
from usercache.figures.processes import REPORT_SECONDS, ProcessState
from usercache.figures.shared import Parcel
from usercache.stats import REDIS, Stats

NEVER_SECONDS = 3600.0
STATE = ProcessState("token", "web1", 7, "gunicorn", 1000.0, "closed", "")


class Recipient:
    """Takes parcels while it works."""

    def __init__(self) -> None:
        self.works = True
        self.parcels = list[Parcel]()
        self.ended = list[ProcessState]()

    def deliver(self, parcel: Parcel) -> bool:
        self.parcels.append(parcel)
        return self.works

    def sign_off(self, state: ProcessState) -> None:
        self.ended.append(state)


def counts(parcel: Parcel) -> dict[str, int]:
    [part] = parcel.slices.values()
    return dict(part.counts)


def test_undelivered_batch_is_sent_again_before_what_came_since() -> None:
    """It keeps its number, by which Redis knows it; the end of the process delivers the rest."""
    stats, recipient = Stats(), Recipient()
    delivery = Delivery(stats, recipient, lambda: STATE, NEVER_SECONDS)
    recipient.works = False
    stats.count("fills", 2)
    delivery.deliver_now()
    stats.count("fills")
    recipient.works = True
    delivery.end()
    assert [(p.number, counts(p)) for p in recipient.parcels] == [
        (1, {"fills": 2}),
        (1, {"fills": 2}),
        (2, {"fills": 1}),
    ]
    assert stats.peek() == {}


def test_state_is_told_when_it_changes_and_now_and_then() -> None:
    """A process that does nothing says every five seconds that it is there, and when it goes."""
    state, clock, recipient = STATE, Clock(), Recipient()
    delivery = Delivery(Stats(), recipient, lambda: state, NEVER_SECONDS, clock)
    for _ in range(3):
        delivery.deliver_now()
    assert [p.state for p in recipient.parcels] == [STATE]
    state = STATE._replace(breaker="open")
    delivery.deliver_now()
    assert recipient.parcels[-1][-2:] == (state, STATE)
    clock.now += REPORT_SECONDS
    delivery.deliver_now()
    assert len(recipient.parcels) == 3
    delivery.end()
    assert recipient.ended == [state]


def test_thread_folds_also_where_nobody_takes_the_figures() -> None:
    """Without Redis, look-ups don't pile up."""
    stats = Stats()
    delivery = Delivery(stats, None, lambda: STATE, 0.01)
    stats.note_lookup(REDIS, 0.0, 7)
    wait_until(lambda: not stats._noted, "the look-up is folded in")
    delivery.end()
    assert stats.peek() == {"hits_redis": 1}
