"""Send commands to their nodes: one write to each node, then one read from each."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from redis import Redis
from redis.cluster import ClusterNode, RedisCluster, get_node_name
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MaxConnectionsError,
    MovedError,
    RedisClusterException,
    RedisError,
    ResponseError,
    SlotNotCoveredError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

ROUNDS: Final = 3
"""How often a command is sent at most: its slot may have moved, and move again."""


class Command:
    """One command, and its result: an answer, or an error."""

    def __init__(self, args: Sequence[Any], options: Mapping[str, Any]) -> None:
        """Take the arguments of redis-py's `execute_command()`."""
        self.args = args
        self.options = dict(options)
        self.options.pop("keys", None)
        self.options.pop("target_nodes", None)
        self.result: Any = None
        self.redirection: AskError | None = None

    @property
    def is_for_all(self) -> bool:
        """Whether it is sent to each node, after the other commands."""
        return bool(self.args[0] == "WAIT")

    def note(self, result: Any) -> None:
        """Keep an answer; of several (to WAIT), an error, else the smallest."""
        if isinstance(self.result, RedisError):
            return
        if self.is_for_all and self.result is not None and not isinstance(result, RedisError):
            result = min(self.result, result)
        self.result = result


class Batch:
    """The commands for one node, over one of its connections."""

    def __init__(self, client: "Redis") -> None:
        """Take the node's client."""
        self._client = client
        self._connection: Any = None
        self.commands = list[Command]()

    def write(self) -> None:
        """Send all commands."""
        self._connection = self._client.connection_pool.get_connection()
        self._connection.send_packed_command(
            self._connection.pack_commands(
                [words for command in self.commands for words in _words(command)]
            )
        )

    def read(self, *, may_wait: bool) -> None:
        """Read the answer to each command.

        Raises:
            redis.TimeoutError: no answer within the timeout or, without `may_wait`, yet.
        """
        if not (may_wait or self._connection.can_read(0)):
            raise RedisTimeoutError("Another node had been waited for already.")
        for command in self.commands:
            if command.redirection is not None:
                self._answer(command, "ASKING")
            command.note(self._answer(command, command.args[0]))
        # Only now does the connection hold no unread answer.
        self._give_back(clean=True)

    def fail(self, error: RedisError) -> None:
        """Keep the error for every command, and disconnect."""
        for command in self.commands:
            command.note(error)
        self._give_back(clean=False)

    def end(self) -> None:
        """Disconnect if it was interrupted."""
        self._give_back(clean=False)

    def _answer(self, command: Command, name: str) -> Any:
        try:
            return self._client.parse_response(  # type: ignore[no-untyped-call]
                self._connection, name, **command.options
            )
        except (RedisConnectionError, RedisTimeoutError):
            raise
        except RedisError as error:
            return error

    def _give_back(self, *, clean: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if not clean:
                connection.disconnect()
            self._client.connection_pool.release(connection)


def exchange(cluster: RedisCluster, commands: Sequence[Command]) -> bool:
    """Execute the commands on the nodes of their slots; return whether the slots seem current.

    However many nodes hang, one timeout is waited for. Nodes that answer have executed their
    commands even if others fail. Errors are kept in the commands.
    """
    pending, is_sound = list(commands), True
    for _ in range(ROUNDS):
        batches = _sort(cluster, pending)
        is_sound &= run_batches(batches)
        pending = [command for command in pending if isinstance(command.result, AskError)]
        if not pending:
            break
        # If one slot has moved, its node's others may have as well, as after a failover.
        is_sound &= not any(isinstance(command.result, MovedError) for command in pending)
        for command in pending:
            _redirect(cluster, command)
        # Their answers cover all nodes, and some nodes are asked again.
        pending += [command for command in commands if command.is_for_all]
    return is_sound and not any(isinstance(c.result, ClusterDownError) for c in commands)


def run_batches(batches: Sequence[Batch]) -> bool:
    """Send all, then read all answers, and return whether every node answered."""
    errors, written = list[RedisError](), list[Batch]()
    try:
        for batch in batches:
            try:
                if _has_waited(errors):
                    raise RedisTimeoutError("Another node had been waited for already.")
                batch.write()
                written.append(batch)
            except (RedisConnectionError, RedisTimeoutError) as error:
                errors.append(error)
                batch.fail(error)
        for batch in written:
            try:
                batch.read(may_wait=not _has_waited(errors))
            except (RedisConnectionError, RedisTimeoutError) as error:
                errors.append(error)
                batch.fail(error)
    finally:
        for batch in batches:
            batch.end()
    # An exhausted pool of our own says nothing about the nodes.
    return all(isinstance(error, MaxConnectionsError) for error in errors)


def _has_waited(errors: Sequence[RedisError]) -> bool:
    return any(isinstance(error, RedisTimeoutError) for error in errors)


def _sort(cluster: RedisCluster, commands: Sequence[Command]) -> list[Batch]:
    batches = dict[str, Batch]()
    for command in commands:
        if command.is_for_all:
            for batch in batches.values():
                batch.commands.append(command)
            continue
        try:
            node = _node_for(cluster, command)
        except SlotNotCoveredError as error:
            command.note(ClusterDownError(str(error)))
            continue
        except RedisClusterException as error:  # it is no RedisError; its keys are of two slots
            command.note(ResponseError(str(error)))
            continue
        if node.name not in batches:
            batches[node.name] = Batch(cluster.get_redis_connection(node))
        batches[node.name].commands.append(command)
    return list(batches.values())


def _node_for(cluster: RedisCluster, command: Command) -> ClusterNode:
    redirection = command.redirection
    if redirection is not None:
        name = get_node_name(redirection.host, redirection.port)
        known: ClusterNode | None = cluster.get_node(node_name=name)  # type: ignore[no-untyped-call]
        return known or ClusterNode(redirection.host, redirection.port)  # type: ignore[no-untyped-call]
    slot = cast(int, cluster.determine_slot(*command.args))
    return cluster.nodes_manager.get_node_from_slot(slot)


def _redirect(cluster: RedisCluster, command: Command) -> None:
    error, command.result = command.result, None
    is_moved = isinstance(error, MovedError)
    if is_moved:
        with suppress(KeyError):  # a refresh has just left this slot without a node
            cluster.nodes_manager.move_slot(error)
    command.redirection = None if is_moved else error


def _words(command: Command) -> list[Sequence[Any]]:
    asking = [] if command.redirection is None else [("ASKING",)]
    return [*asking, command.args]
