"""What can happen to the small fleet, and how each of it ends."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial

from redis import Redis

from tests.fleet.instance import Instance
from tests.fleet.run_state import RunState
from tests.fleet.small_fleet import SmallFleet
from tests.fleet.visitor import Visitor
from tests.servers.redis_server import WITHOUT_TRACKING
from tests.waiting import wait_until

SLOW_SECONDS = 0.02
"""Added at most to each direction between a web server and Redis."""
ROOM_BYTES = 1024 * 1024
"""What Redis may use beyond what it used when its memory became scarce."""
JUNK_KEYS = 256
JUNK_BYTES = 4096
JUNK_BATCH = 64
"""Keys in one round trip, so that Redis has time for others."""

State = RunState[SmallFleet]


def kill_redis(state: State) -> None:
    """End Redis with SIGKILL; what it held is lost."""
    _cut_off_everybody(state)
    state.fleet.redis.kill()


def start_redis(state: State) -> None:
    """Start it again, empty, at its old port."""
    state.fleet.redis.start()


def hang_redis(state: State) -> None:
    """Let Redis answer nobody, with all it holds, and see that every server has noticed."""
    _cut_off_everybody(state)
    openings = {instance: instance.web.count_openings() for instance in state.fleet.instances}
    state.fleet.redis.pause()
    wait_until(
        lambda: all(instance.web.count_openings() > n for instance, n in openings.items()),
        "every server has noticed that Redis hangs",
    )


def resume_redis(state: State) -> None:
    """Let it go on, with what it held and what was asked meanwhile."""
    state.fleet.redis.resume()


def refuse_tracking(state: State) -> None:
    """Let Redis allow no client tracking, as some rented kinds do; all listen to messages then."""
    with state.fleet.redis.client() as client:
        tracking = _listening(client, "t")
        client.acl_setuser("default", enabled=True, commands=WITHOUT_TRACKING)
        for number in tracking:
            client.client_kill_filter(_id=number)
        wait_until(lambda: len(_listening(client, "P")) >= len(tracking), "all listen to messages")


def stop_relay(state: State) -> None:
    """Stop the relay; for the rest of the scenario nobody expects it back."""
    state.is_relay_away = True
    state.fleet.relay.stop()


def flush_redis(state: State) -> None:
    """Let Redis forget everything, fill locks and write markers included."""
    state.fleet.flush()


def cut_one_off(state: State) -> None:
    """Cut one server's connections to Redis; the others keep theirs."""
    state.is_redis_away = True
    instance = state.random.choice(state.fleet.instances)
    instance.is_cut_off = True
    instance.proxy.cut()


def slow_network(state: State) -> None:
    """Delay all that goes between the web servers and Redis, for each server by another time.

    The order in which Redis hears of things is then another than that in which they happened.
    """
    instances = state.fleet.instances
    for number, instance in enumerate(instances, 1):
        instance.proxy.delay(SLOW_SECONDS * number / len(instances))


def restore_connections(state: State) -> None:
    """Make every connection to Redis an ordinary one again."""
    state.fleet.restore_connections()


def limit_memory(state: State) -> None:
    """Let Redis evict whatever was used longest ago, once it holds a little more than now."""
    with state.fleet.redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + ROOM_BYTES)


def fill_memory(state: State) -> None:
    """Write as much as there is room for, so that what is older is evicted."""
    junk = b"x" * JUNK_BYTES
    with state.fleet.redis.client() as client:
        for first in range(0, JUNK_KEYS, JUNK_BATCH):
            client.mset({f"junk:{n}": junk for n in range(first, first + JUNK_BATCH)})


def unlimit_memory(state: State) -> None:
    """Give Redis all the memory that it wants."""
    state.fleet.unlimit_memory()


def kill_web_process(state: State) -> None:
    """Kill a web process between a commit and its invalidation; granian starts another."""
    instance = state.random.choice(state.fleet.instances)
    workers = instance.web.count_workers()
    instance.is_doomed = True
    instance.web.order_to_die.touch()
    wait_until(lambda: not instance.web.order_to_die.exists(), "a web process is told to die")
    wait_until(lambda: instance.web.count_workers() > workers, "it has a successor")
    instance.leave_rotation()
    wait_until(instance.web.is_answering, "the successor answers")
    instance.join_rotation()


def stop_postgresql(state: State) -> None:
    """Stop PostgreSQL as for maintenance."""
    state.is_database_away = True
    state.fleet.postgresql.stop()


def start_postgresql(state: State) -> None:
    """Start it again, with its data."""
    state.fleet.postgresql.start()


def hang_postgresql(state: State) -> None:
    """Let PostgreSQL answer nobody, and see that every server says so while it lasts."""
    state.is_database_away = True
    state.fleet.postgresql.pause()
    _see_refusals(state, ("/users", "/health/ready"))


def resume_postgresql(state: State) -> None:
    """Let it go on, with what it was asked meanwhile."""
    state.fleet.postgresql.resume()


def forbid_writes(state: State) -> None:
    """Let PostgreSQL take no writes, as a standby does, and see that no server is ready."""
    state.is_database_away = True
    state.fleet.postgresql.set_read_only(is_on=True)
    _see_refusals(state, ("/health/ready",))


def allow_writes(state: State) -> None:
    """Let it take writes again."""
    state.fleet.postgresql.set_read_only(is_on=False)


def restart_web_servers(state: State) -> None:
    """Restart one web server after the other, each without a request to serve."""
    for instance in state.fleet.instances:
        instance.restart()


def _listening(client: Redis, flag: str) -> list[str]:
    return [other["id"] for other in client.client_list() if flag in other["flags"]]


def _see_refusals(state: State, paths: Sequence[str]) -> None:
    with closing(Visitor(state, state.random)) as visitor:
        for instance in state.fleet.instances:
            for path in paths:
                wait_until(partial(_is_refused, visitor, instance, path), f"{path} is refused")
        assert not visitor.tally.failures, visitor.tally.failures


def _is_refused(visitor: Visitor, instance: Instance, path: str) -> bool:
    return visitor.ask("GET", path, visitor.state.fleet.quiet[0], at=instance) is None


def _cut_off_everybody(state: State) -> None:
    state.is_redis_away = True
    for instance in state.fleet.instances:
        instance.is_cut_off = True
