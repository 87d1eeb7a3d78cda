"""What can happen to the fleet, and how each of it ends."""

from contextlib import suppress

from tests.fleet.stage import Stage
from tests.waiting import wait_until

SLOW_SECONDS = 0.02
"""Added at most to each direction between a web server and Redis."""
ROOM_BYTES = 1024 * 1024
"""What Redis may use beyond what it used when its memory became scarce."""
JUNK_KEYS = 256
JUNK_BYTES = 4096
JUNK_BATCH = 64
"""Keys in one round trip, so that Redis has time for others."""
UNLIMITED = 0


def kill_redis(stage: Stage) -> None:
    """End Redis with SIGKILL; what it held is lost."""
    _cut_off_everybody(stage)
    stage.fleet.redis.kill()


def start_redis(stage: Stage) -> None:
    """Start it again, empty, at its old port."""
    stage.fleet.redis.start()


def hang_redis(stage: Stage) -> None:
    """Let Redis answer nobody, with all it holds."""
    _cut_off_everybody(stage)
    stage.fleet.redis.pause()


def resume_redis(stage: Stage) -> None:
    """Let it go on, with what it held and what was asked meanwhile."""
    stage.fleet.redis.resume()


def stop_relay(stage: Stage) -> None:
    """Stop the relay; for the rest of the scenario nobody expects it back."""
    stage.is_relay_away = True
    stage.fleet.relay.stop()


def flush_redis(stage: Stage) -> None:
    """Let Redis forget everything, leases and barriers included."""
    stage.fleet.flush()


def cut_one_off(stage: Stage) -> None:
    """Cut one server's line to Redis; the others keep theirs."""
    stage.is_redis_away = True
    instance = stage.random.choice(stage.fleet.instances)
    instance.is_cut_off = True
    instance.proxy.cut()


def slow_network(stage: Stage) -> None:
    """Delay all that goes between the web servers and Redis, for each server by another time.

    The order in which Redis hears of things is then another than that in which they happened.
    """
    instances = stage.fleet.instances
    for number, instance in enumerate(instances, 1):
        instance.proxy.delay(SLOW_SECONDS * number / len(instances))


def restore_lines(stage: Stage) -> None:
    """Make every line to Redis an ordinary one again, the slowest first."""
    # Or a line that is quick already would tell a writer what a slow one still holds back.
    for instance in reversed(stage.fleet.instances):
        instance.proxy.restore()


def limit_memory(stage: Stage) -> None:
    """Let Redis evict whatever was used longest ago, once it holds a little more than now."""
    with stage.fleet.redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + ROOM_BYTES)


def fill_memory(stage: Stage) -> None:
    """Write as much as there is room for, so that what is older is evicted."""
    junk = b"x" * JUNK_BYTES
    with stage.fleet.redis.client() as client:
        for first in range(0, JUNK_KEYS, JUNK_BATCH):
            client.mset({f"junk:{n}": junk for n in range(first, first + JUNK_BATCH)})


def unlimit_memory(stage: Stage) -> None:
    """Give Redis all the memory that it wants."""
    with stage.fleet.redis.client() as client:
        client.config_set("maxmemory", UNLIMITED)


def kill_web_process(stage: Stage) -> None:
    """Kill a web process between a commit and its invalidation; gunicorn starts another."""
    instance = stage.random.choice(stage.fleet.instances)
    workers = instance.web.count_workers()
    instance.is_doomed = True
    instance.web.order_to_die.touch()
    wait_until(lambda: not instance.web.order_to_die.exists(), "a web process is told to die")
    wait_until(lambda: instance.web.count_workers() > workers, "it has a successor")
    instance.leave_rotation()
    wait_until(instance.web.is_answering, "the successor answers")
    instance.join_rotation()


def stop_postgresql(stage: Stage) -> None:
    """Stop PostgreSQL as for maintenance."""
    stage.is_database_away = True
    stage.fleet.postgresql.stop()


def start_postgresql(stage: Stage) -> None:
    """Start it again, with its data."""
    stage.fleet.postgresql.start()


def restart_web_servers(stage: Stage) -> None:
    """Restart one web server after the other, each without a request to serve."""
    for instance in stage.fleet.instances:
        instance.leave_rotation()
        instance.web.stop()
        instance.web.start()
        instance.join_rotation()


def heal(stage: Stage) -> None:
    """Undo what a scenario has left behind, one that failed half-way too."""
    restore_lines(stage)
    for server in (stage.fleet.redis, stage.fleet.postgresql, stage.fleet.relay):
        with suppress(RuntimeError):  # it is running already
            server.start()
    resume_redis(stage)
    unlimit_memory(stage)


def _cut_off_everybody(stage: Stage) -> None:
    stage.is_redis_away = True
    for instance in stage.fleet.instances:
        instance.is_cut_off = True
