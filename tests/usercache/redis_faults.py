"""What can befall a Redis or the way to it, each as a block at whose end all is well again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from redis import Redis

from tests.servers.redis_server import RedisServer
from tests.servers.server import find_free_port
from tests.servers.tcp_proxy import TcpProxy
from tests.waiting import wait_until

DRIP_SECONDS = 0.05

Fault = Callable[[RedisServer, TcpProxy], AbstractContextManager[None]]


@contextmanager
def hanging(server: RedisServer, _proxy: TcpProxy) -> Iterator[None]:
    """Stop the process: connections open, and nothing is answered."""
    server.pause()
    yield
    server.resume()


@contextmanager
def refusing(_server: RedisServer, proxy: TcpProxy) -> Iterator[None]:
    """Listen no more."""
    proxy.cut()
    yield
    proxy.restore()


@contextmanager
def dropping_connections(_server: RedisServer, proxy: TcpProxy) -> Iterator[None]:
    """Reset every connection; new ones work."""
    proxy.reset()
    yield


@contextmanager
def half_open(_server: RedisServer, proxy: TcpProxy) -> Iterator[None]:
    """Lose the far end of every connection, in silence; new ones work."""
    proxy.half_open()
    yield


@contextmanager
def swallowing(_server: RedisServer, proxy: TcpProxy) -> Iterator[None]:
    """Accept and answer nothing, as a black hole in the network does."""
    proxy.black_hole()
    yield
    proxy.restore()


@contextmanager
def dripping(_server: RedisServer, proxy: TcpProxy) -> Iterator[None]:
    """Answer byte by byte."""
    proxy.drip(1, DRIP_SECONDS)
    yield
    proxy.restore()


@contextmanager
def full(server: RedisServer, _proxy: TcpProxy) -> Iterator[None]:
    """Have no memory left for writes."""
    with configured(server, "maxmemory", 1, 0):
        yield


@contextmanager
def out_of_clients(server: RedisServer, proxy: TcpProxy) -> Iterator[None]:
    """Take no more connections, those before having been dropped."""
    with configured(server, "maxclients", 1, 1000):
        proxy.reset()
        yield


@contextmanager
def changed_password(server: RedisServer, proxy: TcpProxy) -> Iterator[None]:
    """Want a password that nobody was told."""
    with configured(server, "requirepass", "changed", ""):
        proxy.reset()
        yield


@contextmanager
def read_only(server: RedisServer, _proxy: TcpProxy) -> Iterator[None]:
    """Answer reads and refuse writes, as a failover leaves the old primary."""
    with server.client() as client:
        client.replicaof("127.0.0.1", find_free_port())
    yield
    with server.client() as client:
        client.replicaof("NO", "ONE")


@contextmanager
def short_of_replicas(server: RedisServer, _proxy: TcpProxy) -> Iterator[None]:
    """Answer reads and refuse writes, for want of a replica that it must have."""
    with configured(server, "min-replicas-to-write", 1, 0):
        yield


@contextmanager
def unable_to_save(server: RedisServer, _proxy: TcpProxy) -> Iterator[None]:
    """Answer reads and refuse writes, since its snapshot could not be written."""
    snapshot = server.directory / "dump.rdb"
    snapshot.mkdir()  # so that no file can take its place, whatever the user's rights
    with configured(server, "save", "3600 1000000", ""):
        save_snapshot(server, "err")
        yield
        snapshot.rmdir()
        save_snapshot(server, "ok")
    snapshot.unlink()


@contextmanager
def pausing_writes(server: RedisServer, _proxy: TcpProxy) -> Iterator[None]:
    """Answer reads and let writes wait."""
    with server.client() as client:
        client.execute_command("CLIENT", "PAUSE", 600_000, "WRITE")
    yield
    with server.client() as client:
        client.execute_command("CLIENT", "UNPAUSE")


@contextmanager
def flushed(server: RedisServer, _proxy: TcpProxy) -> Iterator[None]:
    """Forget everything."""
    with server.client() as client:
        client.flushall()
    yield


@contextmanager
def restarted(server: RedisServer, _proxy: TcpProxy) -> Iterator[None]:
    """Die and come back empty."""
    server.kill()
    server.start()
    yield


@contextmanager
def killed(server: RedisServer, _proxy: TcpProxy) -> Iterator[None]:
    """Die, while the proxy before it lives."""
    server.kill()
    yield
    server.start()


FAULTS: list[Fault] = [
    hanging,
    refusing,
    dropping_connections,
    half_open,
    swallowing,
    dripping,
    full,
    out_of_clients,
    changed_password,
    read_only,
    short_of_replicas,
    unable_to_save,
    pausing_writes,
    flushed,
    restarted,
    killed,
]


REFUSING_WRITES: list[Fault] = [read_only, short_of_replicas, unable_to_save, pausing_writes]
"""And answering reads, so that a process that only reads has no error of its own."""


def save_snapshot(server: RedisServer, outcome: str) -> None:
    """Have the server save its snapshot, and wait until that has come to this outcome."""
    with server.client() as client:
        client.bgsave()
        wait_until(
            lambda: client.info("persistence")["rdb_last_bgsave_status"] == outcome,
            f"the snapshot's outcome is {outcome}",
        )


@contextmanager
def configured(
    server: RedisServer, name: str, during: str | int, after: str | int
) -> Iterator[None]:
    """Set one of the server's options for a while, over a connection that was there before."""
    client: Redis = server.client()
    client.config_set(name, during)
    yield
    client.config_set(name, after)
    client.close()
