"""Shadow mode finds what the cache would have got wrong, and changes no answer."""

import re
import threading
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, models, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.counting import CountCommands, counts
from tests.steering import keep_redis_away
from tests.usercache.conftest import MakeUser
from tests.usercache.l1 import bring_l1
from tests.usercache.observability.recorded import recorded
from tests.users import User
from tests.waiting import wait_until
from usercache.backends.choice import is_served
from usercache.codec import Values
from usercache.events import L1
from usercache.keys import record_key
from usercache.lookup import Store
from usercache.observability import audit, shadow
from usercache.observability.audit import Sample
from usercache.observability.metrics import (
    AUDIT_CHECKED,
    AUDIT_EXPLAINED,
    AUDIT_MISMATCHED,
    AUDIT_UNDECIDED,
    SHADOW_HITS,
    SHADOW_MISSES,
)
from usercache.observability.observers import observers_of
from usercache.observability.shadow import Unserved
from usercache.observability.snapshot import take_snapshot
from usercache.runtime import get_store
from usercache.users import get_user_by_id

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]

WAIT_SECONDS = 30
READS = 10_000
PLANTED_AMONG = 50


@pytest.fixture
def store(settings: Settings) -> Store:
    """Return the store of a process that serves nobody, and compares all of its look-ups."""
    settings.USERCACHE_SHADOW_SHARE = 1.0
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0
    store = get_store()
    store.served_percent = 0
    return store


@pytest.fixture
def has_l1(settings: Settings) -> None:
    """Let the store that is made next have a client-side cache."""
    settings.USERCACHE_L1_MAX_ENTRIES = 100


@pytest.fixture
def drawn(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Unserved]:
    """Keep the look-ups that were drawn, for the test to repeat when it likes."""
    look_ups = list[Unserved]()
    monkeypatch.setattr(observers_of(store).shadow, "add", look_ups.append)
    return look_ups


@pytest.fixture
def suspects(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Sample]:
    """Keep what the audit is asked about."""
    samples = list[Sample]()
    monkeypatch.setattr(observers_of(store).audit, "add", samples.append)
    return samples


def look_up(user: User, drawn: list[Unserved]) -> Unserved:
    found = get_user_by_id(user.pk)
    assert found is not None
    return drawn[-1]


def compare(store: Store, unserved: Unserved) -> dict[str, int]:
    """Repeat the look-up through the cache, and return what was counted of all so far."""
    observers_of(store).shadow.compare(unserved)
    return verdicts(store)


def verdicts(store: Store) -> dict[str, int]:
    counted = recorded(observers_of(store).recorder)
    return {name: n for name, n in counted.items() if name.startswith(("audit_", "shadow_"))}


def write_past_the_cache(user: User, **values: object) -> None:
    """Change the row as raw SQL would, without telling the cache."""
    models.QuerySet(User).filter(pk=user.pk).update(**values)


def test_miss_fills_and_hit_is_compared(store: Store, drawn: list[Unserved], alice: User) -> None:
    """The first look-up of a user fills the cache; the next one finds there what was answered."""
    assert compare(store, look_up(alice, drawn)) == {SHADOW_MISSES: 1}
    assert compare(store, look_up(alice, drawn)) == {
        SHADOW_MISSES: 1,
        SHADOW_HITS: 1,
        AUDIT_CHECKED: 1,
    }


def test_comparison_is_no_look_up_of_anybody(
    store: Store, drawn: list[Unserved], alice: User
) -> None:
    """Look-ups, hits and fills are those of the requests: each of these was a query."""
    for _ in range(3):
        compare(store, look_up(alice, drawn))
    counted = counts(store)
    assert {name: n for name, n in counted.items() if name.startswith(("hits", "miss"))} == {
        "misses": 3
    }
    assert take_snapshot().audit.shadow_hits == 2


def test_hit_costs_one_get_and_no_query(
    count_commands: CountCommands, store: Store, drawn: list[Unserved], alice: User
) -> None:
    """The row that was answered is enough to compare a hit with."""
    compare(store, look_up(alice, drawn))
    unserved = look_up(alice, drawn)
    with CaptureQueriesContext(connection) as queries, count_commands() as commands:
        compare(store, unserved)
    assert len(queries) == 0
    assert commands["get"] == 1


def test_stale_record_is_found_told_and_never_answered(
    store: Store, drawn: list[Unserved], alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets the row; the record is a mismatch, told by its fields, and dropped."""
    compare(store, look_up(alice, drawn))
    write_past_the_cache(alice, first_name="Alicia")
    samples = list[Sample]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observers_of(store).audit, "add", samples.append)
        found = get_user_by_id(alice.pk)
        assert found is not None
        assert found.first_name == "Alicia"
        compare(store, drawn[-1])
    [sample] = samples
    suspect = observers_of(store).audit.judge(sample)
    assert suspect is not None
    assert observers_of(store).audit.judge(suspect) is None
    assert verdicts(store)[AUDIT_MISMATCHED] == 1
    assert "differs in first_name" in caplog.text
    assert "Alic" not in caplog.text
    store.served_percent = 100
    again = get_user_by_id(alice.pk)
    assert again is not None
    assert again.first_name == "Alicia"


def test_l1_is_compared_as_well(
    has_l1: None, store: Store, drawn: list[Unserved], suspects: list[Sample], alice: User
) -> None:
    """What process memory would have answered is what is compared, where it would answer."""
    store.served_percent = 100
    bring_l1(alice.pk, lambda: get_user_by_id(alice.pk))
    store.served_percent = 0
    write_past_the_cache(alice, first_name="Alicia")
    compare(store, look_up(alice, drawn))
    assert [sample.backend for sample in suspects] == [L1]


def test_write_in_between_is_no_mismatch(
    store: Store, drawn: list[Unserved], suspects: list[Sample], alice: User
) -> None:
    """A record newer than the answer is suspected, and cleared by the audit's own look."""
    before = look_up(alice, drawn)
    alice.first_name = "Alicia"
    alice.save()
    compare(store, look_up(alice, drawn))
    compare(store, before)
    [sample] = suspects
    assert observers_of(store).audit.judge(sample) is None
    assert verdicts(store) == {SHADOW_MISSES: 1, SHADOW_HITS: 1, AUDIT_CHECKED: 1}


def test_row_of_an_open_transaction_is_no_mismatch(
    store: Store, drawn: list[Unserved], suspects: list[Sample], alice: User
) -> None:
    """Look-ups inside a transaction are compared, too: what it rolls back accuses nobody."""
    compare(store, look_up(alice, drawn))
    with transaction.atomic():
        write_past_the_cache(alice, first_name="Alicia")
        unserved = look_up(alice, drawn)
        transaction.set_rollback(True)
    compare(store, unserved)
    [sample] = suspects
    assert observers_of(store).audit.judge(sample) is None
    assert AUDIT_MISMATCHED not in verdicts(store)


def test_deleted_user_is_compared(
    store: Store, drawn: list[Unserved], suspects: list[Sample], alice: User
) -> None:
    """That there is no such user is an answer like any other."""
    compare(store, look_up(alice, drawn))
    models.QuerySet(User).filter(pk=alice.pk)._raw_delete(using="default")
    assert get_user_by_id(alice.pk) is None
    compare(store, drawn[-1])
    assert len(suspects) == 1


def test_nothing_is_asked_of_a_redis_that_is_away(
    store: Store, drawn: list[Unserved], alice: User
) -> None:
    """Such look-ups are undecided, and wait for no timeout."""
    unserved = look_up(alice, drawn)
    keep_redis_away()
    assert compare(store, unserved) == {AUDIT_UNDECIDED: 1}


def test_database_that_fails_leaves_it_undecided(
    store: Store, drawn: list[Unserved], alice: User
) -> None:
    """Its error is counted by name."""

    def fail(_pks: object) -> dict[str, Values]:
        raise OperationalError("the database is away")

    unserved = look_up(alice, drawn)
    failing = unserved._replace(source=unserved.source._replace(load=fail))
    assert compare(store, failing) == {AUDIT_UNDECIDED: 1}
    assert counts(store)["errors_OperationalError"] == 1


def test_only_users_kept_out_are_compared(
    store: Store, drawn: list[Unserved], make_user: MakeUser
) -> None:
    """On a ramp, hits of the others are the audit's."""
    store.served_percent = 50
    users = [make_user(f"user{number}") for number in range(20)]
    kept_out = [user.pk for user in users if not is_served(record_key(user.pk), 50)]
    assert 0 < len(kept_out) < len(users)
    for user in users:
        get_user_by_id(user.pk)
    assert [unserved.key for unserved in drawn] == list(map(record_key, kept_out))


def test_full_queue_costs_no_memory(
    store: Store, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look-ups that come faster than they can be compared are undecided."""
    monkeypatch.setattr(shadow, "ROOM", 0)
    get_user_by_id(alice.pk)
    assert verdicts(store) == {AUDIT_UNDECIDED: 1}


def test_share_of_the_look_ups_is_drawn(store: Store, alice: User) -> None:
    """None with a share of 0, all with 1, and else by chance."""
    row, found = observers_of(store), dict[float, int]()
    lookup = Unserved("", None, None, None)  # type: ignore[arg-type]  # is only kept
    for share in (0, 0.3, 0.5, 1):
        drawing = shadow.Shadow(share, row.recorder, row.audit, store, lambda: 0.4)
        drawing.note_unserved(*lookup)
        found[share] = drawing._queue.qsize()
    assert found == {0: 0, 0.3: 0, 0.5: 1, 1: 1}


def test_off_by_default(settings: Settings, alice: User) -> None:
    """Neither a thread nor a comparison, until the setting says so."""
    del settings.USERCACHE_SHADOW_SHARE
    assert "usercache-shadow" not in {thread.name for thread in threading.enumerate()}
    get_store().served_percent = 0
    get_user_by_id(alice.pk)
    assert verdicts(get_store()) == {}


def test_planted_staleness_is_found_within_ten_thousand_reads(
    settings: Settings, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stale record of fifty, a tenth of the reads drawn: the threads find it."""
    settings.USERCACHE_SHADOW_SHARE = 0.1
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0
    monkeypatch.setattr(audit, "DELAY_SECONDS", 0.0)
    users = [make_user(f"user{number}") for number in range(PLANTED_AMONG)]
    for user in users:
        get_user_by_id(user.pk)
    store = get_store()
    store.served_percent = 0
    write_past_the_cache(users[0], first_name="Alicia")
    for number in range(READS):
        found = get_user_by_id(users[number % PLANTED_AMONG].pk)
        assert found is not None
        assert number % PLANTED_AMONG or found.first_name == "Alicia"
        if number % 200 == 0 and verdicts(store).get(AUDIT_MISMATCHED):
            break
    wait_until(
        lambda: verdicts(store).get(AUDIT_MISMATCHED) == 1, "the mismatch is found", WAIT_SECONDS
    )
    assert verdicts(store).get(AUDIT_EXPLAINED, 0) <= READS / PLANTED_AMONG


def test_operators_see_it(store: Store, drawn: list[Unserved], alice: User) -> None:
    """`cache_stats` has how many look-ups were repeated, and what the hit rate would have been."""
    for _ in range(4):
        compare(store, look_up(alice, drawn))
    out = StringIO()
    call_command("cache_stats", stdout=out)
    rows = dict(re.findall(r"^ *(\S.*?)  +(\S.*)$", out.getvalue(), re.MULTILINE))
    assert rows["In shadow"] == "4 (100% of the database's look-ups)"
    assert rows["would be hits"] == "3 (75.0%)"
    assert rows["Compared"].startswith("3")


def test_status_of_a_cache_in_shadow_is_healthy(store: Store, alice: User) -> None:
    """It is off because somebody compares it; without a comparison, off is degraded."""
    assert not [reason for reason in take_snapshot().reasons if "switched off" in reason]
