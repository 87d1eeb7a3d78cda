"""A store whose backends a test makes up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.clocks import Clock
from tests.counting import counted_events
from tests.users import User
from usercache.backends.breaker import FIRST_PAUSE_SECONDS, Breaker
from usercache.backends.memory import MemoryBackend
from usercache.backends.resilient import ResilientBackend
from usercache.codec import Codec, Values
from usercache.events import Observer
from usercache.l1.cache import ClientCache
from usercache.lookup import Source, Store

KEY, OTHER = "user:id:7", "user:id:8"
PKS = {KEY: 7, OTHER: 8}
VALUES: Values = ("alice@example.com", 7)
TTL_SECONDS = 300.0


class StandIn:
    """A Redis in process memory, which fails when it is told to."""

    name = "redis"

    def __init__(self) -> None:
        cache = LocMemCache("stand-in", {})
        cache.clear()
        self._memory = MemoryBackend(cache)
        self.is_failing = False

    def __getattr__(self, name: str) -> Any:
        if self.is_failing:
            raise RedisConnectionError
        return getattr(self._memory, name)


class Hits(Observer):
    """Note what answered, and whose look-up it was."""

    def __init__(self) -> None:
        self.lookups = list[tuple[str, str]]()
        self.hits = list[tuple[str, str, Values | None]]()

    def note_lookup(self, result: str, began: float, pk: str) -> None:
        self.lookups.append((result, pk))

    def note_hit(self, backend: str, key: str, pk: Any, source: Source, record: Any) -> None:
        assert key == f"user:id:{pk}"
        self.hits.append((backend, key, record.values))


@dataclass
class World:
    """A store over process memory, a stand-in for Redis that is in use, and L1 that is on."""

    redis: StandIn = field(default_factory=StandIn)
    codec: Codec = field(default_factory=lambda: Codec(User, ("email", "token_version"), "k" * 32))
    clock: Clock = field(default_factory=Clock)
    hits: Hits = field(default_factory=Hits)
    slept: list[float] = field(default_factory=list)
    values: Values | None = VALUES
    loads: int = 0

    def __post_init__(self) -> None:
        events = counted_events()
        events.subscribe(self.hits)
        memory = LocMemCache("stand-in-memory", {})
        memory.clear()
        self.store = Store(
            memory=MemoryBackend(memory),
            events=events,
            random=lambda: 0.0,
            clock=self.clock,
            sleep=self.slept.append,
        )
        self.breaker = Breaker(self.clock, lambda: 0.0)
        self.store.redis = ResilientBackend(
            self.redis,  # type: ignore[arg-type]  # a stand-in
            self.breaker,
            events,
            on_opening=self.store.empty_memory,
            on_recovery=lambda _backend: None,
        )
        self.breaker.close(0)
        self.clock.now += FIRST_PAUSE_SECONDS  # from then on it is probed at once
        self.l1 = ClientCache(10, clock=self.clock)
        self.l1.extend_validity(self.clock.now + TTL_SECONDS)
        self.store.l1 = self.l1

    def load(self) -> Values | None:
        self.loads += 1
        return self.values

    def source_of(self, load: Callable[[], Values | None]) -> Source:
        def load_it(pks: Mapping[str, Any]) -> dict[str, Values]:
            [key], row = pks, load()
            return {} if row is None else {key: row}

        return Source(self.codec, load_it, lambda: True)

    def look_up(
        self, key: str = KEY, load: Callable[[], Values | None] | None = None
    ) -> Values | None:
        return self.store.look_up(key, PKS[key], self.source_of(load or self.load))

    def look_up_many(
        self, load: Callable[[Any], dict[str, Values]], *, may_fill: bool = True
    ) -> dict[str, Values]:
        return self.store.look_up_many(PKS, Source(self.codec, load, lambda: may_fill))

    def recall(self) -> Values | None:
        return self.store.recall(KEY, PKS[KEY], self.source_of(self.load))

    def leave(self) -> None:
        """Let Redis be known to be away."""
        self.breaker.failed(at_once=True)
        assert self.breaker.begin_probe()
        self.breaker.stay_open()
