"""The two backends as an intruder sees them: keys and bytes, past our code."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, cast

from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from redis import Redis

from tests.servers.redis_server import RedisServer
from usercache.codec import get_codec
from usercache.keys import USERS_PREFIX, record_key

END: Final = "end-of-watch"


class RawBackend(Protocol):
    """What both backends are to an intruder; keys come without the alias's prefix."""

    def read(self) -> dict[str, bytes]:
        """Return every entry and pointer."""

    def write(self, key: str, value: bytes) -> None:
        """Put bytes under a key."""

    def read_everything(self) -> bytes:
        """Return all that is stored, keys included, from any client."""


class RawRedis:
    """A Redis of the test's own, to which the shared alias leads."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._prefix: str = cast("RedisCache[Any]", caches["usercache"]).make_key("")

    def read(self) -> dict[str, bytes]:
        with self._server.client() as client:
            return {
                key.decode().removeprefix(self._prefix): cast(bytes, client.get(key))
                for key in client.scan_iter(f"{self._prefix}{USERS_PREFIX}*", _type="string")
            }

    def write(self, key: str, value: bytes) -> None:
        with self._server.client() as client:
            client.set(self._prefix + key, value)

    def read_everything(self) -> bytes:
        with self._server.client() as client:
            assert client.info("keyspace").keys() == {"db0"}
            keys = list(client.scan_iter())
            return b"\n".join(b"%b %b" % (key, _read_any(client, key)) for key in keys)

    @contextmanager
    def watch(self) -> Iterator[bytearray]:
        """Collect all that is sent to Redis within the block, unprintable bytes escaped."""
        seen = bytearray()
        with self._server.client() as client, client.monitor() as monitor:
            yield seen
            client.echo(END)
            while END not in (command := monitor.next_command()["command"]):
                seen += command.encode() + b"\n"


class RawMemoryBackend:
    """This process's memory."""

    def __init__(self) -> None:
        self._cache = cast(LocMemCache, caches["usercache-local"])
        # Pickles of bytes, in which the bytes are as they were.
        self._pickles: dict[str, bytes] = vars(self._cache)["_cache"]

    def read(self) -> dict[str, bytes]:
        prefix = self._cache.make_key("")
        keys = [key.removeprefix(prefix) for key in self._pickles]
        entries = {key: cast("tuple[float, bytes] | None", self._cache.get(key)) for key in keys}
        return {key: entry[1] for key, entry in entries.items() if entry is not None}  # not expired

    def write(self, key: str, value: bytes) -> None:
        self._cache.set(key, (math.inf, value))

    def read_everything(self) -> bytes:
        return b"\n".join(b"%b %b" % (key.encode(), it) for key, it in self._pickles.items())


def _read_any(client: Redis, key: bytes) -> bytes:
    # Not DUMP, which compresses.
    readers: dict[bytes, Callable[[], object]] = {
        b"hash": lambda: client.hgetall(key),
        b"zset": lambda: client.zrange(key, 0, -1, withscores=True),
    }
    kind = cast(bytes, client.type(key))
    if kind in readers:
        return repr(readers[kind]()).encode()
    return cast(bytes, client.get(key))


def decode(backend: RawBackend) -> dict[str, dict[str, Any] | None]:
    """Return what each entry of the backend says, by its key: columns, or None for no such user."""
    codec = get_codec()
    records = dict[str, dict[str, Any] | None]()
    for key, entry in backend.read().items():
        if key.startswith(record_key("")):
            values = codec.decode(key, entry).values
            records[key] = None if values is None else dict(zip(codec.fields, values, strict=True))
    return records
