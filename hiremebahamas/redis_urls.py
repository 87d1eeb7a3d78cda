"""Parse REDIS_URL: one server, a socket file, a cluster, or sentinels and a service."""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
LARGEST_PORT: Final = 65535

_URL: Final = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<login>[^/@?#]*)@)?(?P<nodes>[^/@?#]*)(?P<path>/[^?#@]*)?"
)
_NODE: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]+))?")
_DATABASE: Final = re.compile(r"[0-9]{1,4}")
_SPELLINGS: Final = (
    "redis://host:6379/0, rediss:// for TLS, unix:///path/to/redis.sock, "
    "redis+cluster://host1:6379,host2:6379, redis+sentinel://host1:26379,host2:26379/service/0; "
    "user:password@ goes before the hosts, with each of @ / : ? # % in them percent-encoded"
)


class Topology(Enum):
    """The kind of server at the address; the value is the end of the URL's scheme."""

    SERVER = ""
    CLUSTER = "+cluster"
    SENTINEL = "+sentinel"
    SOCKET = "unix"


class Node(NamedTuple):
    """One server's host and port."""

    host: str
    port: int


@dataclass(frozen=True)
class RedisAddress:
    """Where Redis is and how to log in; its representation doesn't show the password."""

    topology: Topology
    is_encrypted: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    nodes: tuple[Node, ...] = ()
    """The server; some nodes of the cluster, which names the others; or all sentinels."""
    path: str = ""
    """The socket file."""
    service: str = ""
    """The sentinels' name for the primary and its replicas."""
    database: int = 0


def parse_redis_url(url: str) -> RedisAddress:
    """Parse a URL, as in `rediss+sentinel://user:secret@s1,s2:26380/mymaster/0`.

    Raises: ImproperlyConfigured, which says what to do and doesn't show the password.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise _refusal("is not a URL of Redis, or has a ?query or #fragment")
    scheme, login, nodes, path = (
        found[name] or "" for name in ("scheme", "login", "nodes", "path")
    )
    username, _, password = login.partition(":")
    if ":" in password:
        raise _refusal("has a second colon before the @")
    username, password = unquote(username), unquote(password)
    if scheme == "unix":
        if nodes or path.endswith("/") or not path:
            raise _refusal("must give the socket's file after three slashes")
        return RedisAddress(
            Topology.SOCKET, username=username, password=password, path=unquote(path)
        )
    prefix, plus, kind = scheme.partition("+")
    if prefix not in ("redis", "rediss"):
        raise _refusal("has an unknown scheme")
    try:
        topology = Topology(plus + kind)
    except ValueError:
        raise _refusal("has an unknown scheme") from None
    service, database = _parse_path(topology, path)
    return RedisAddress(
        topology,
        is_encrypted=prefix == "rediss",
        username=username,
        password=password,
        nodes=_parse_nodes(topology, nodes),
        service=service,
        database=database,
    )


def _parse_nodes(topology: Topology, nodes: str) -> tuple[Node, ...]:
    default = SENTINEL_PORT if topology is Topology.SENTINEL else PORT
    parsed = tuple(_parse_node(node, default) for node in nodes.split(","))
    if topology is Topology.SERVER and len(parsed) > 1:
        raise _refusal("names several hosts, and is neither redis+cluster:// nor redis+sentinel://")
    return parsed


def _parse_node(node: str, default_port: int) -> Node:
    found = _NODE.fullmatch(node)
    port = int(found["port"] or default_port) if found else 0
    if found is None or not 0 < port <= LARGEST_PORT:
        raise _refusal("has a host or port that is none")
    return Node(unquote(found["host"]).strip("[]"), port)


def _parse_path(topology: Topology, path: str) -> tuple[str, int]:
    parts = path.strip("/").split("/") if path.strip("/") else []
    service = ""
    if topology is Topology.SENTINEL:
        if not parts:
            raise _refusal("must name the sentinels' service after the hosts, as in /mymaster")
        service = unquote(parts.pop(0))
    database = parts.pop(0) if parts else "0"
    if parts or not _DATABASE.fullmatch(database):
        raise _refusal("must end with a database number, or nothing, after its last slash")
    if topology is Topology.CLUSTER and int(database):
        raise _refusal("names a database, and a cluster has only number 0")
    return service, int(database)


def _refusal(reason: str) -> ImproperlyConfigured:
    # Never the URL itself: it may hold a password.
    return ImproperlyConfigured(f"REDIS_URL {reason}. Write it as {_SPELLINGS}.")
