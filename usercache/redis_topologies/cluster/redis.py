"""A client of a whole cluster, and its pipeline, with the methods of `redis.Redis`."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from redis import ConnectionPool
from redis._parsers import Encoder
from redis.cluster import RedisCluster
from redis.commands import CoreCommands, RedisClusterCommands
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.event import EventDispatcher
from redis.exceptions import ClusterDownError, RedisClusterException, RedisError
from redis.lock import Lock

from usercache.redis_topologies.cluster.exchange import Batch, Command, exchange, run_batches
from usercache.redis_topologies.cluster.topology import Topology


class ClusterRedis(RedisClusterCommands):
    """Execute each command on the node of its key; connects on first use.

    Reads go to primaries alone: a replica may lag behind a write. redis-py itself executes
    commands without a key (SCAN, FLUSHDB, INFO), with its retries and waits.
    """

    _is_async_client: Literal[False] = False
    read_from_replicas = False

    def __init__(self, topology: Topology) -> None:
        """Take the topology, which has the slots."""
        self._topology = topology
        self._event_dispatcher = EventDispatcher()
        self.encoder = Encoder("utf-8", "strict", False)  # type: ignore[no-untyped-call]

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute one command; one round trip, and one more if its slot has moved.

        Raises:
            redis.RedisError: it could not be executed, or the node refused it.
        """
        cluster = self._topology.get()
        if _has_key(cluster, args):
            [command] = self.run([Command(args, options)])
            if isinstance(command.result, RedisError):
                raise command.result
            return command.result
        try:
            return cluster.execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except RedisClusterException as error:  # it is no RedisError
            raise ClusterDownError(str(error)) from error

    def run(self, commands: Sequence[Command]) -> Sequence[Command]:
        """Execute commands that have keys, in one round trip; each keeps its result."""
        if not exchange(self._topology.get(), commands):
            self._topology.refresh()
        return commands

    def pipeline(self, transaction: bool = False, shard_hint: Any = None) -> "ClusterPipeline":
        """Return a pipeline, without transactions across nodes: `transaction` is ignored."""
        return ClusterPipeline(self)

    def keys(self, pattern: Any = "*", **options: Any) -> Any:
        """Return the keys of all primaries that match, not those of one node."""
        return super().keys(pattern, target_nodes=RedisCluster.PRIMARIES, **options)

    def lock(
        self, name: str, *args: Any, lock_class: type[Lock] | None = None, **options: Any
    ) -> Lock:
        """Return a lock on this key, with the arguments of `redis.Redis.lock()`."""
        return (lock_class or Lock)(self, name, *args, **options)

    def get_primaries(self) -> dict[str, ConnectionPool]:
        """Return each primary's pool by a hash tag: a key with it, `probe{3}`, is in its slots.

        Raises:
            redis.exceptions.ClusterDownError: a slot has no node.
        """
        cluster = self._topology.get()
        slots = cluster.nodes_manager.slots_cache
        if len(slots) < REDIS_CLUSTER_HASH_SLOTS:
            self._topology.refresh()
            raise ClusterDownError(f"{REDIS_CLUSTER_HASH_SLOTS - len(slots)} slots have no node.")
        wanted = {nodes[0].name: nodes[0] for nodes in slots.values()}
        pools, number = dict[str, ConnectionPool](), 0
        while wanted:
            owner = wanted.pop(slots[key_slot(str(number).encode())][0].name, None)
            if owner is not None:
                pools[f"{{{number}}}"] = cluster.get_redis_connection(owner).connection_pool
            number += 1
        return pools

    def look_again(self) -> None:
        """Look slots and nodes up again on another thread; doesn't wait."""
        self._topology.refresh()

    def info_of_primaries(self) -> list[dict[str, Any]]:
        """Return each primary's answer to INFO; one round trip to all of them at once.

        Raises:
            redis.RedisError: one of them can't be reached.
        """
        cluster = self._topology.get()
        batches = []
        for node in cluster.get_primaries():  # type: ignore[no-untyped-call]
            batches.append(Batch(cluster.get_redis_connection(node)))
            batches[-1].commands.append(Command(["INFO"], {}))
        if not run_batches(batches):
            self._topology.refresh()
        answers = [batch.commands[0].result for batch in batches]
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    def close(self) -> None:
        """Close every connection; the next command opens others."""
        self._topology.close()

    def get_encoder(self) -> Encoder:
        """Return the encoder of keys and values."""
        return self.encoder

    @property
    def nodes_manager(self) -> Any:
        """redis-py's knowledge of slots and nodes."""
        return self._topology.get().nodes_manager

    def get_node(self, *args: Any, **kwargs: Any) -> Any:
        """Return a node by its name."""
        return self._topology.get().get_node(*args, **kwargs)  # type: ignore[no-untyped-call]


class ClusterPipeline(CoreCommands):
    """Commands that are sent together, to every node at once; not a transaction.

    WAIT goes to each of the nodes that the commands before it go to, and answers with the
    smallest number of replicas.
    """

    _is_async_client: Literal[False] = False

    def __init__(self, client: ClusterRedis) -> None:
        """Start without commands."""
        self._client = client
        self._commands = list[Command]()
        self._event_dispatcher = EventDispatcher()

    def execute_command(self, *args: Any, **options: Any) -> Self:
        """Queue a command."""
        self._commands.append(Command(args, options))
        return self

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute the queued commands in one round trip, and return the answers in order.

        Raises:
            redis.RedisError: the first error, unless `raise_on_error` is false.
        """
        commands, self._commands = self._commands, []
        if not commands:
            return []
        results = [command.result for command in self._client.run(commands)]
        for result in results:
            if raise_on_error and isinstance(result, RedisError):
                raise result
        return results

    def reset(self) -> None:  # type: ignore[override]  # as redis-py's own pipeline does
        """Drop the queued commands."""
        self._commands = []

    def __len__(self) -> int:
        return len(self._commands)

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.reset()


def _has_key(cluster: RedisCluster, args: Sequence[Any]) -> bool:
    names = (str(args[0]).upper(), " ".join(map(str, args[:2])).upper())
    return not any(name in cluster.command_flags for name in names)
