"""A Redis Cluster of three primaries, each with a replica, made without redis-cli."""

import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from redis import Redis, RedisError

from tests.servers.binaries import find_redis, read_version
from tests.servers.redis_server import RedisServer
from tests.servers.server import HOST, find_free_port
from tests.waiting import wait_until

SLOTS = 16384
PRIMARIES = 3
BUS_MAY_BE_CHOSEN = (7, 0)
"""From this Redis on; before, it is always so much further up."""
BUS_OFFSET = 10_000
NODE_TIMEOUT_MS = 3000
"""Longer than the tests let a primary hang, which its replica would else replace."""


class ClusterServer(RedisServer):
    """One node, on a bus port of its own where it has one: the usual one may not exist."""

    user: Sequence[str] = ()
    """Another user than the default one, as ACL SETUSER names it; known from each start on."""

    def __init__(self, directory: Path, password: str) -> None:
        """Keep the node's files in `directory`."""
        super().__init__(directory, password=password)
        self._chooses_bus = read_version(find_redis()) >= BUS_MAY_BE_CHOSEN
        if self._chooses_bus:
            self.bus_port = find_free_port()
        else:
            self._port = _find_port_with_bus()
            self.bus_port = self._port + BUS_OFFSET

    def _command(self) -> Sequence[str | Path]:
        cluster: dict[str, str | int] = {
            "enabled": "yes",
            "config-file": "nodes.conf",
            "node-timeout": NODE_TIMEOUT_MS,
            # However long it was without its primary, a replica may take over.
            "replica-validity-factor": 0,
        }
        if self._chooses_bus:
            cluster["port"] = self.bus_port
        options = [word for name, v in cluster.items() for word in (f"--cluster-{name}", str(v))]
        user = ("--user", *self.user) if self.user else ()
        return (*super()._command(), *options, "--repl-diskless-sync-delay", "0", *user)


class ClusterServers:
    """Six nodes on loopback: `with ClusterServers(directory) as cluster: cluster.addresses`."""

    def __init__(
        self,
        directory: Path,
        password: str,
        make_node: Callable[[Path, str], ClusterServer] = ClusterServer,
    ) -> None:
        """Keep their files in `directory`."""
        self.nodes = list[ClusterServer]()
        for number in range(2 * PRIMARIES):
            folder = directory / f"node{number}"
            folder.mkdir()
            self.nodes.append(make_node(folder, password))
        self._stack = ExitStack()

    @property
    def addresses(self) -> str:
        """The nodes, as a URL names them."""
        return ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    def primaries(self) -> list[ClusterServer]:
        """Return the nodes that say they are primaries, of those that answer."""
        return [node for node in self.nodes if ask(node, "ROLE")[:1] == [b"master"]]

    def owner_of(self, slot: int) -> ClusterServer:
        """Return the primary that serves the slot, by the word of the primaries themselves."""
        for node in self.primaries():
            for first, last, (_, port, *_), *_ in ask(node, "CLUSTER", "SLOTS"):
                if first <= slot <= last and port == node.port:
                    return node
        raise LookupError(f"Nobody serves slot {slot}.")

    def replica_of(self, primary: RedisServer) -> ClusterServer:
        """Return the node that follows this primary."""
        for node in self.nodes:
            role = ask(node, "ROLE")
            if role[:1] == [b"slave"] and role[2] == primary.port:
                return node
        raise LookupError(f"Nobody follows port {primary.port}.")

    def flush(self) -> None:
        """Empty every primary."""
        for node in self.primaries():
            ask(node, "FLUSHALL")

    def switch(self, primary: RedisServer) -> None:
        """Put this primary's replica in its place, with its consent."""
        ask(self.replica_of(primary), "CLUSTER", "FAILOVER")

    def restore(self) -> None:
        """After a primary was killed and replaced, let it follow the new one."""
        for node in self.nodes:
            if not node.is_running:
                node.start()
        wait_until(self._is_complete, "every primary has its replica again")
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until every slot is served, and each node that answers names the same primaries."""
        wait_until(self._is_whole, "every node says that the cluster is whole")

    def __enter__(self) -> Self:
        """Start the nodes and make them one cluster."""
        for node in self.nodes:
            self._stack.enter_context(node)
        for number, node in enumerate(self.nodes):
            # As redis-cli does: nodes with one epoch would first have to agree on another.
            ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        primaries, replicas = self.nodes[:PRIMARIES], self.nodes[PRIMARIES:]
        for number, node in enumerate(primaries):
            first, last = (SLOTS * (number + n) // PRIMARIES for n in (0, 1))
            give_slots(node, first, last)
        first_node, *others = self.nodes
        for node in others:
            ask(first_node, "CLUSTER", "MEET", HOST, node.port, node.bus_port)
        wait_until(lambda: all(map(self._knows_everybody, self.nodes)), "the nodes have met")
        for primary, replica in zip(primaries, replicas, strict=True):
            ask(replica, "CLUSTER", "REPLICATE", ask(primary, "CLUSTER", "MYID"))
        wait_until(self._is_complete, "the replicas follow their primaries")
        self.wait_until_whole()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop them all."""
        self._stack.close()

    def _up(self) -> list[ClusterServer]:
        return [node for node in self.nodes if ask(node, "ROLE")]

    def _is_whole(self) -> bool:
        up = self._up()
        owners = {
            frozenset((first, last, port) for first, last, (_, port, *_), *_ in slots)
            for slots in [ask(node, "CLUSTER", "SLOTS") for node in up]
        }
        are_ok = all(b"cluster_state:ok" in ask(node, "CLUSTER", "INFO") for node in up)
        return are_ok and len(owners) == 1 and len(self.primaries()) == PRIMARIES

    def _knows_everybody(self, node: ClusterServer) -> bool:
        known = ask(node, "CLUSTER", "NODES").decode()
        return known.count("connected") == len(self.nodes) and "handshake" not in known

    def _is_complete(self) -> bool:
        seen = [
            [len(nodes) for _, _, *nodes in ask(node, "CLUSTER", "SLOTS")] for node in self.nodes
        ]
        roles = [ask(node, "ROLE") for node in self.nodes]
        linked = [role for role in roles if role[:1] == [b"slave"] and role[3] == b"connected"]
        return len(linked) == PRIMARIES and seen == [[2] * PRIMARIES] * len(self.nodes)


def give_slots(node: RedisServer, first: int = 0, end: int = SLOTS) -> None:
    """Let the node serve these slots, without the last."""
    ask(node, "CLUSTER", "ADDSLOTS", *range(first, end))


def _find_port_with_bus() -> int:
    while True:
        port = find_free_port()
        with suppress(OSError, OverflowError), socket.socket() as probe:  # taken, or too high
            probe.bind((HOST, port + BUS_OFFSET))
            return port


def ask(node: RedisServer, *command: Any) -> Any:
    """Return the node's answer as it came, and nothing where it gives none."""
    with node.client() as client:
        return _ask(client, *command)


def _ask(client: "Redis", *command: Any) -> Any:
    try:
        connection = client.connection_pool.get_connection()
        try:
            connection.send_command(*command)  # type: ignore[no-untyped-call]
            return connection.read_response()
        finally:
            client.connection_pool.release(connection)
    except RedisError:
        return []
