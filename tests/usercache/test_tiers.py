"""One behaviour suite for all tiers: process memory, and Redis however it is deployed."""

import pytest
from django.core.cache import caches
from pytest_django import Settings
from redis import Redis

from usercache import local, shared
from usercache.conf import conf
from usercache.keys import BARRIER
from usercache.scripts import TOKEN_BYTES
from usercache.tiers import Tier, holders_of, new_lease, new_token

KEY, OTHER = "user:id:1", "user:id:2"
POINTER = "user:email:alice@example.com"
ENTRY = b"R the entry"
TTL_MS = 60_000


def fill(tier: Tier, key: str = KEY, entry: bytes = ENTRY) -> None:
    lease = new_lease()
    assert tier.take_lease(key, lease) is None
    assert tier.fill({key: (entry, TTL_MS)}, lease)


def test_absent_key(tier: Tier) -> None:
    """A key nobody wrote is None."""
    assert tier.get(KEY) is None


def test_fill_in_a_lease_s_place(tier: Tier) -> None:
    """What the holder of the lease fills is what everybody gets."""
    fill(tier)
    assert tier.get(KEY) == ENTRY


def test_lease_holds_others_off(tier: Tier) -> None:
    """Who comes second sees the first one's lease, and can't fill with his own."""
    first, second = new_lease(), new_lease()
    assert tier.take_lease(KEY, first) is None
    assert tier.take_lease(KEY, second) == first
    assert not tier.fill({KEY: (ENTRY, TTL_MS)}, second)
    assert tier.fill({KEY: (ENTRY, TTL_MS)}, first)


def test_lease_is_refused_where_an_entry_is(tier: Tier) -> None:
    """An entry that came meanwhile is returned instead of a lease."""
    fill(tier)
    assert tier.take_lease(KEY, new_lease()) == ENTRY


def test_lease_replaces_the_unreadable_entry_it_names(tier: Tier) -> None:
    """What can't be decoded gives way, but only if it is still that."""
    fill(tier, entry=b"R unreadable")
    assert tier.take_lease(KEY, new_lease(), instead_of=b"R something else") == b"R unreadable"
    assert tier.take_lease(KEY, new_lease(), instead_of=b"R unreadable") is None


def test_forget_takes_the_lease_away(tier: Tier) -> None:
    """An invalidation during a load wins over the load."""
    lease = new_lease()
    tier.take_lease(KEY, lease)
    tier.forget([KEY])
    assert not tier.fill({KEY: (ENTRY, TTL_MS)}, lease)
    assert tier.get(KEY) is None


def test_barrier_replaces_an_entry(tier: Tier) -> None:
    """From the announcement on, the old row isn't served any more."""
    fill(tier)
    tier.raise_barriers([KEY], new_token())
    held = tier.get(KEY)
    assert held is not None
    assert held[:1] == BARRIER


def test_barrier_takes_the_lease_away(tier: Tier) -> None:
    """A load that began before the announcement can't be filled after it."""
    lease = new_lease()
    tier.take_lease(KEY, lease)
    tier.raise_barriers([KEY], new_token())
    assert not tier.fill({KEY: (ENTRY, TTL_MS)}, lease)


def test_no_lease_at_a_barrier(tier: Tier) -> None:
    """While a write is under way nobody can become the one who fills."""
    tier.raise_barriers([KEY], new_token())
    held = tier.take_lease(KEY, new_lease())
    assert held is not None
    assert held[:1] == BARRIER


def test_lowered_barrier_leaves_nothing(tier: Tier) -> None:
    """After the write the key is absent, and can be filled again."""
    token = new_token()
    tier.raise_barriers([KEY, OTHER], token)
    tier.lower_barriers([KEY, OTHER], token, [])
    assert tier.get(KEY) is None
    assert tier.get(OTHER) is None
    fill(tier)


def test_barrier_of_two_writers_stands_until_both_are_done(tier: Tier) -> None:
    """The first to finish doesn't open the key while the second still writes."""
    first, second = new_token(), new_token()
    tier.raise_barriers([KEY], first)
    tier.raise_barriers([KEY], second)
    tier.lower_barriers([KEY], first, [])
    assert tier.take_lease(KEY, new_lease()) is not None
    tier.lower_barriers([KEY], second, [])
    assert tier.take_lease(KEY, new_lease()) is None


def test_lowering_twice_is_lowering_once(tier: Tier) -> None:
    """A repeated lowering doesn't take another writer's barrier."""
    first, second = new_token(), new_token()
    tier.raise_barriers([KEY], first)
    tier.raise_barriers([KEY], second)
    tier.lower_barriers([KEY], first, [])
    tier.lower_barriers([KEY], first, [])
    assert tier.take_lease(KEY, new_lease()) is not None


def test_lowering_a_lost_barrier_deletes_what_took_its_place(tier: Tier) -> None:
    """After an eviction of the barrier, the end of the write still removes an older row."""
    fill(tier)
    tier.lower_barriers([KEY], new_token(), [])
    assert tier.get(KEY) is None


def test_forget_leaves_a_barrier(tier: Tier) -> None:
    """Invalidating one user or all doesn't end a write that is under way."""
    tier.raise_barriers([KEY], new_token())
    fill(tier, OTHER)
    tier.forget([KEY])
    tier.forget_all()
    assert tier.get(OTHER) is None
    assert tier.take_lease(KEY, new_lease()) is not None


def test_pointers_come_and_go(tier: Tier) -> None:
    """A pointer leads to an id until it is dropped, with a write or by itself."""
    tier.set_pointer(POINTER, "7", TTL_MS)
    assert tier.get(POINTER) == b"7"
    tier.lower_barriers([KEY], new_token(), [POINTER])
    assert tier.get(POINTER) is None
    tier.set_pointer(POINTER, "7", TTL_MS)
    tier.forget([], [POINTER])
    assert tier.get(POINTER) is None


def test_forget_all_drops_records_leases_and_pointers(tier: Tier) -> None:
    """After it nothing is left to be served, nor to be filled by a load under way."""
    fill(tier)
    tier.set_pointer(POINTER, "1", TTL_MS)
    lease = new_lease()
    tier.take_lease(OTHER, lease)
    tier.forget_all()
    assert tier.get(KEY) is None
    assert tier.get(POINTER) is None
    assert not tier.fill({OTHER: (ENTRY, TTL_MS)}, lease)


def test_abandoned_barrier_runs_out(settings: Settings) -> None:
    """In process memory a writer that never finished is given up after the barrier's TTL."""
    settings.USERCACHE_BARRIER_TTL_SECONDS = 60
    now = 0.0
    tier = local.connect(conf.USERCACHE_LOCAL_ALIAS)
    tier._clock = lambda: now
    tier.raise_barriers([KEY], token := new_token())
    now = 59.9
    held = tier.get(KEY)
    assert held is not None
    assert holders_of(held) == {token}
    now = 60.0
    assert tier.get(KEY) is None


@pytest.mark.redis
def test_abandoned_holder_is_given_up_alone(settings: Settings) -> None:
    """In Redis each holder has its own deadline: one that never finished isn't kept by others."""
    tier = shared.connect(conf.USERCACHE_SHARED_ALIAS)
    settings.USERCACHE_BARRIER_TTL_SECONDS = 0.001
    abandoned = new_token()
    tier.raise_barriers([KEY], abandoned)
    settings.USERCACHE_BARRIER_TTL_SECONDS = 60
    while tier.get(KEY) is not None:  # a millisecond, by Redis' clock
        pass
    tier.raise_barriers([KEY], abandoned[::-1])
    held = tier.get(KEY)
    assert held is not None
    assert held[1 : 1 + TOKEN_BYTES] == abandoned[::-1]
    tier.lower_barriers([KEY], abandoned[::-1], [])
    assert tier.get(KEY) is None


@pytest.mark.redis
def test_foreign_type_under_our_key_is_dropped(redis_client: Redis) -> None:
    """A list or a hash that something else put there is a miss, not an error for ever."""
    tier = shared.connect(conf.USERCACHE_SHARED_ALIAS)
    full_key = caches[conf.USERCACHE_SHARED_ALIAS].make_key(KEY)
    redis_client.rpush(full_key, "not", "ours")
    assert tier.get(KEY) is None
    assert redis_client.exists(full_key) == 0


@pytest.mark.redis
def test_forget_all_keeps_to_its_prefix(redis_client: Redis) -> None:
    """Another program's keys in the same Redis stay, even those that look like ours."""
    tier = shared.connect(conf.USERCACHE_SHARED_ALIAS)
    redis_client.set("other:1:user:id:1", "theirs")
    fill(tier)
    tier.forget_all()
    assert tier.get(KEY) is None
    assert redis_client.get("other:1:user:id:1") == b"theirs"
