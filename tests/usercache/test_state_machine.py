"""Two processes, a relay and a Redis that fails at will, driven by Hypothesis against a model.

Users, writes, outbox and database are the real ones; Redis is a backend in memory that refuses,
hangs (and may do what it was told all the same), turns read-only or forgets everything, for one
process or for both; time is a clock that the machine moves. The model knows which version of each
user is committed, and since when; what a process may be served follows from the rules in
`docs/caveats.md`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from unittest import mock

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django.db.models import F
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.clocks import Clock
from tests.counting import counted_events
from tests.sizes import sizes
from tests.users import User
from usercache.backends.breaker import Breaker
from usercache.backends.memory import MemoryBackend
from usercache.backends.resilient import ResilientBackend
from usercache.codec import get_codec
from usercache.conf import conf
from usercache.keys import RECORD, record_key
from usercache.l1.cache import ClientCache
from usercache.l1.listener import SILENCE_SECONDS
from usercache.lookup import Store
from usercache.models import PendingInvalidation
from usercache.orm import outbox
from usercache.orm.outbox import drain
from usercache.runtime import RUNTIME, get_store
from usercache.users import get_user_by_id, invalidate_user

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

USERS = 2
STEPS = 30
LOCAL_TTL_SECONDS = 5.0
LONG_PAUSE_SECONDS = 70.0


class MemoryRedis(MemoryBackend):
    """Stands for the server: the protocol in memory, entries living as long as in Redis.

    It tells of every change, as client tracking does, of fills and fill locks too.
    """

    name = "redis"

    def __init__(self, cache: LocMemCache, clock: Clock) -> None:
        super().__init__(cache, clock)
        self.hearers: list[Callable[[Sequence[str] | None], None]] = []

    def acquire_fill_locks(
        self, keys: Sequence[str], fill_lock: bytes, unreadable: Mapping[str, bytes] = {}
    ) -> list[bytes | None]:
        self._tell(keys)
        return super().acquire_fill_locks(keys, fill_lock, unreadable)

    def fill(self, entries: Mapping[str, tuple[bytes, int]], fill_lock: bytes) -> int:
        self._tell(list(entries))
        return super().fill(entries, fill_lock)

    def set_markers(self, keys: Sequence[str], token: bytes) -> None:
        self._tell(keys)
        super().set_markers(keys, token)

    def clear_markers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        self._tell(keys)
        super().clear_markers(keys, token, pointers)

    def invalidate(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> None:
        self._tell(keys)
        super().invalidate(keys, pointers)

    def invalidate_all(self) -> None:
        self._tell(None)
        super().invalidate_all()

    def _tell(self, keys: Sequence[str] | None) -> None:
        for hear in self.hearers:
            hear(keys)

    def _bound(self, ttl_ms: int) -> float:
        return ttl_ms / 1000


class Link:
    """One process's way to the server, with the fault that lies on it."""

    name = "redis"

    def __init__(self, server: MemoryRedis) -> None:
        self.server = server
        self.fault = "none"
        self.healthy_operations = 0
        """How many operations still pass before the fault strikes."""

    def __getattr__(self, name: str) -> object:
        operation = getattr(self.server, name)

        def operate(*args: object, **kwargs: object) -> object:
            if self.healthy_operations > 0:
                self.healthy_operations -= 1
                return operation(*args, **kwargs)
            if self.fault == "refused":
                raise RedisConnectionError("refused")
            if self.fault == "hangs":
                raise RedisTimeoutError("hangs")
            if self.fault == "hangs, then obeys":
                operation(*args, **kwargs)
                raise RedisTimeoutError("hangs")
            if self.fault == "read-only" and name not in ("get", "seconds_left"):
                raise ReadOnlyError("read-only")
            return operation(*args, **kwargs)

        return operate

    def probe(self) -> None:
        self.__getattr__("set_pointer")("usercache:probe", "probe", 1000)  # type: ignore[operator]

    beat = probe


class Member:
    """One process of the fleet."""

    def __init__(self, name: str, server: MemoryRedis, clock: Clock) -> None:
        self.link = Link(server)
        cache = LocMemCache(f"machine-{name}", {})
        cache.clear()
        local = MemoryBackend(cache, clock, random=lambda: 0.0)
        events = counted_events()
        self.clock = clock
        self.l1 = ClientCache(10, clock=clock)
        self.line_cut_at: float | None = None
        self.untaken: list[Sequence[str] | None] = []
        server.hearers.append(self.hear)
        self.begin_to_listen()
        self.guard = ResilientBackend(
            self.link,  # type: ignore[arg-type]  # a stand-in
            Breaker(clock=clock, random=lambda: 0.0),
            events,
            on_opening=lambda: self.store.empty_memory(),  # noqa: PLW0108  # it is made below
            on_recovery=lambda backend: self.store.recover(backend),  # noqa: PLW0108
        )
        self.store = Store(
            redis=self.guard,
            memory=local,
            events=events,
            random=lambda: 0.0,
            clock=clock,
            sleep=lambda _seconds: None,
        )
        self.store.l1 = self.l1
        outbox.extend(self.store)
        self.floors = [0] * USERS
        """By user: the version that this process wrote or came back to; never again an older."""

    def hear(self, keys: Sequence[str] | None) -> None:
        """Let a message come in, if the line is not cut."""
        if self.line_cut_at is None:
            self.untaken.append(keys)

    def begin_to_listen(self) -> None:
        """Connect, as the listener does after it has lost its line."""
        self.line_cut_at = None
        self.untaken.clear()
        self.l1.suspend()
        self.l1.watch(lambda: self.untaken)
        self.l1.extend_validity(self.clock.now + SILENCE_SECONDS)

    def take_messages(self) -> None:
        """Do as the listener does with what has come; a heartbeat's answer is the last of it."""
        for keys in self.untaken:
            if keys is None:
                self.l1.invalidate_all()
            else:
                self.l1.invalidate(keys)
        self.untaken.clear()
        if self.line_cut_at is None:
            self.l1.extend_validity(self.clock.now + SILENCE_SECONDS)


# Mostly the first process and the first user, so that what follows on each other meets.
members = st.sampled_from([0, 0, 0, 1])
users = st.sampled_from([0, 0, 0, 1])
faults = st.sampled_from(["none", "none", "refused", "hangs", "hangs, then obeys", "read-only"])


class Fleet(RuleBasedStateMachine):
    """Reads, writes and faults in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        # Once: a second patch would take this clock for the real one, and leave it behind.
        self.patch = mock.patch("time.time", self.clock)
        self.patch.start()

    @initialize()
    def begin(self) -> None:
        """Begin with users at version 0, nothing cached, nothing waiting."""
        User.objects.all().delete()
        PendingInvalidation.objects.all().delete()
        cache = LocMemCache("machine-redis", {})
        cache.clear()
        self.server = MemoryRedis(cache, self.clock)
        self.members = [Member(name, self.server, self.clock) for name in "ab"]
        self.pks = [
            User.objects.create(email=f"u{n}@example.com", password="!", token_version=0).pk
            for n in range(USERS)
        ]
        PendingInvalidation.objects.all().delete()
        self.committed = [0 for _ in self.pks]
        self.history: list[list[tuple[float, int]]] = [[] for _ in self.pks]
        for member in range(len(self.members)):
            self.attend(member)

    def teardown(self) -> None:
        self.patch.stop()

    @rule(member=members, user=users)
    def read(self, member: int, user: int) -> None:
        """Look a user up, and compare with what the process may be served."""
        process = self.members[member]
        with self.at_work(process):
            found = get_user_by_id(self.pks[user])
        assert found is not None
        assert self.get_floor(process, user) <= found.token_version <= self.committed[user]

    @rule(member=members, user=users)
    def write(self, member: int, user: int) -> None:
        """Change a user through the ORM."""
        process = self.members[member]
        with self.at_work(process):
            rows = User.objects.filter(pk=self.pks[user])
            rows.update(token_version=F("token_version") + 1)
        self.note_commit(user)
        process.floors[user] = self.committed[user]

    @rule(user=users)
    def write_raw_sql(self, user: int) -> None:
        """Change a user past the ORM."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE users SET token_version = token_version + 1 WHERE id = %s", [self.pks[user]]
            )
        self.note_commit(user)

    @rule(member=members, user=users)
    def invalidate(self, member: int, user: int) -> None:
        """Invalidate by hand, which is harmless."""
        with self.at_work(self.members[member]):
            invalidate_user(self.pks[user])

    @rule(member=members)
    def relay(self, member: int) -> None:
        """Let a relay that has this process's way to Redis do what is due."""
        with self.at_work(self.members[member]):
            drain(get_store(), overdue_only=True)

    @rule(member=members, fault=faults, after=st.integers(0, 4))
    def break_or_mend_link(self, member: int, fault: str, after: int) -> None:
        """Put a fault on one process's way to Redis, or take it away."""
        self.members[member].link.fault = fault
        self.members[member].link.healthy_operations = after if fault != "none" else 0

    @rule(member=members, user=users, fault=faults, after=st.integers(0, 4))
    def write_into_an_outage(self, member: int, user: int, fault: str, after: int) -> None:
        """Warm the cache, break the link, and write: what chance alone rarely does in a row."""
        self.read(member, user)
        self.break_or_mend_link(member, fault, after)
        self.write(member, user)

    @rule(member=members, user=users)
    def come_back(self, member: int, user: int) -> None:
        """Mend the link, let the longest pause pass, and read."""
        self.break_or_mend_link(member, "none", 0)
        self.wait(LONG_PAUSE_SECONDS)
        self.attend(member)
        self.read(member, user)

    @rule(member=members)
    def attend(self, member: int) -> None:
        """Let a process's recovery thread have its turn."""
        process = self.members[member]
        with self.at_work(process):
            process.guard.attend()

    @rule(member=members)
    def start_anew(self, member: int) -> None:
        """Let a process end, whatever it still had to tell, and another begin in its place."""
        process, name = self.members[member], "ab"[member]
        self.server.hearers.remove(process.hear)
        link, self.members[member] = process.link, Member(name, self.server, self.clock)
        self.members[member].link = self.members[member].guard.backend = link  # type: ignore[assignment]  # a stand-in

    @rule(member=members)
    def listen(self, member: int) -> None:
        """Let a process's listener have its turn."""
        self.members[member].take_messages()

    @rule(member=members, user=users)
    def warm(self, member: int, user: int) -> None:
        """Have a user near: a fill's own messages stand before the second look-up."""
        for _ in range(3):
            self.read(member, user)
            self.members[member].take_messages()

    @rule(member=members)
    def cut_or_mend_line(self, member: int) -> None:
        """Let a process hear of nothing any more, in silence, or find another line."""
        process = self.members[member]
        if process.line_cut_at is None:
            process.line_cut_at = self.clock.now
        else:
            process.begin_to_listen()

    @rule(member=members, user=users, writer=members)
    def write_past_a_cut_line(self, member: int, user: int, writer: int) -> None:
        """Have a user near, hear no more of him, and change him, here or elsewhere."""
        self.warm(member, user)
        self.members[member].line_cut_at = self.members[member].line_cut_at or self.clock.now
        self.write(writer, user)
        self.read(member, user)

    @rule(fault=faults)
    def break_or_mend_both(self, fault: str) -> None:
        """Put a fault on the server itself."""
        for member in self.members:
            member.link.fault, member.link.healthy_operations = fault, 0

    @rule()
    def lose_everything(self) -> None:
        """Restart Redis, or flush it, between two operations."""
        self.server.invalidate_all()

    @rule(seconds=st.sampled_from([0.1, 1.9, 3.0, LONG_PAUSE_SECONDS, LONG_PAUSE_SECONDS]))
    def wait(self, seconds: float) -> None:
        """Let time pass, in which listeners have their turns."""
        self.clock.now += seconds
        for member in range(len(self.members)):
            self.members[member].take_messages()
            self.attend(member)

    @invariant()
    def what_redis_has_wrong_is_in_the_outbox(self) -> None:
        """Let an older record stand in Redis only while somebody is still to remove it."""
        waiting, codec = self.get_waiting(), get_codec()
        for pk, committed in zip(self.pks, self.committed, strict=True):
            held = self.server.get(record_key(pk))
            if held is None or held[:1] != RECORD or str(pk) in waiting:
                continue
            values = codec.decode(record_key(pk), held).values
            assert values is not None
            assert values[codec.fields.index("token_version")] == committed

    @contextmanager
    def at_work(self, process: Member) -> Iterator[None]:
        """Run code in a process; if it comes back to Redis, note what it must serve from now on."""
        was_away, committed = not process.guard.breaker.is_closed, list(self.committed)
        with mock.patch.object(RUNTIME, "_store", process.store):
            yield
        if was_away and process.guard.breaker.is_closed:
            process.floors = [max(pair) for pair in zip(process.floors, committed, strict=True)]

    def get_floor(self, process: Member, user: int) -> int:
        """Return the oldest version that the process may be served now."""
        breaker = process.guard.breaker
        if not breaker.is_closed and not breaker.is_away:
            return self.committed[user]
        if breaker.is_away:
            since = self.clock.now - LOCAL_TTL_SECONDS
            elsewhere = [version for at, version in self.history[user] if at < since]
            return max(process.floors[user], *elsewhere, 0)
        if str(self.pks[user]) in self.get_waiting():
            return process.floors[user]
        cut_at = process.line_cut_at
        if cut_at is not None and self.clock.now < cut_at + SILENCE_SECONDS:
            heard = [version for at, version in self.history[user] if at < cut_at]
            return max(process.floors[user], *heard, 0)
        return self.committed[user]

    def note_commit(self, user: int) -> None:
        """Count a commit."""
        self.committed[user] += 1
        self.history[user].append((self.clock.now, self.committed[user]))

    def get_waiting(self) -> set[str]:
        """Return the users in the outbox."""
        return set(PendingInvalidation.objects.values_list("user_id", flat=True))


@sizes("examples", short=30, long=200)
def test_fleet(examples: int) -> None:
    """No process is ever served what the rules forbid, and nothing unheard is forgotten."""
    assert conf.USERCACHE_MEMORY_TTL_SECONDS == LOCAL_TTL_SECONDS
    assert outbox.get_alias() == "default"
    run_state_machine_as_test(
        Fleet,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            # A failure is reported as it was found: shrinking takes longer than a test may.
            phases=[Phase.generate],
        ),
    )
