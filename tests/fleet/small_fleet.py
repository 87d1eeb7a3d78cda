"""Four web servers, PostgreSQL and one Redis: each server with a connection that can be cut."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Self

from redis import Redis

from tests.fleet.background_process import BackgroundProcess
from tests.fleet.environment import make_environment, migrate
from tests.fleet.fleet import INSTANCES, Fleet
from tests.fleet.instance import SmallInstance, redis_url
from tests.fleet.mint import Mint
from tests.fleet.processes import Relay, RestartablePostgreSQL
from tests.servers.pgbouncer import PgBouncer
from tests.servers.redis_server import WITH_TRACKING, RedisServer
from tests.servers.tcp_proxy import TcpProxy

UNLIMITED = 0


class SmallFleet(Fleet):
    """Web servers, other processes, PostgreSQL, Redis: `with SmallFleet(tmp_path) as fleet: …`."""

    instances: list[SmallInstance]

    def __init__(
        self,
        directory: Path,
        *,
        is_pooled: bool = False,
        has_redis: bool = True,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Choose ports and keys, with settings of the product's by name; nothing runs yet.

        Without `has_redis`, there is one that no process knows.
        """
        super().__init__()
        self.has_redis = has_redis
        self.redis = RedisServer(_subdirectory(directory, "redis"))
        self.postgresql = RestartablePostgreSQL(_subdirectory(directory, "postgresql"))
        self._pooler: PgBouncer | None = None
        servers = make_environment(directory, self.postgresql.url, self.redis.url)
        if is_pooled:
            self._pooler = PgBouncer(_subdirectory(directory, "pooler"), self.postgresql.url)
            servers |= {
                "DATABASE_URL": self._pooler.url,
                "DATABASE_DIRECT_URL": self.postgresql.url,
                "DATABASE_IS_POOLED": "True",
            }
        if not has_redis:
            servers["REDIS_URL"] = ""
        self.environment = {**servers, **settings}
        self.mint = Mint(self.environment["JWT_SIGNING_KEY"])
        self.instances = [
            SmallInstance(
                _subdirectory(directory, f"web{n}"),
                self.environment,
                self.redis.port,
                has_redis=has_redis,
            )
            for n in range(INSTANCES)
        ]
        self.relay = Relay(_subdirectory(directory, "relay"), self.environment)
        self.relays = [self.relay]
        # As long a way to Redis as the web servers': over a shorter one, a writer would be answered
        # before the others are told.
        self._background_proxy = TcpProxy(self.redis.port)
        self.background = BackgroundProcess(
            _subdirectory(directory, "background"),
            self.environment | redis_url(self._background_proxy, has_redis=has_redis),
        )
        self._stack = ExitStack()

    @property
    def database_url(self) -> str:
        """The URL of PostgreSQL."""
        return self.postgresql.url

    def flush(self) -> None:
        """Let Redis forget everything."""
        with self.redis.client() as client:
            client.flushall()

    def forget(self, pk: int) -> None:
        """Let Redis forget a user."""
        with self._find(pk) as (client, keys):
            for key in keys:
                client.delete(key)

    def is_cached(self, pk: int) -> bool:
        """Return whether Redis has a user."""
        with self._find(pk) as (_, keys):
            return any(True for _ in keys)

    def restore_connections(self) -> None:
        """Make every connection to Redis an ordinary one again, the slowest first."""
        # Or a quick connection would tell a writer what a slow one still holds back.
        for instance in reversed(self.instances):
            instance.proxy.restore()

    def unlimit_memory(self) -> None:
        """Give Redis all the memory that it wants."""
        with self.redis.client() as client:
            client.config_set("maxmemory", UNLIMITED)

    def allow_tracking(self) -> None:
        """Let Redis allow it again, to connections that are made from now on."""
        with self.redis.client() as client:
            client.acl_setuser("default", enabled=True, commands=WITH_TRACKING)

    def heal(self) -> None:
        """Undo what a scenario has left behind, one that failed half-way too."""
        self.restore_connections()
        for server in (self.redis, self.postgresql, self.relay):
            with suppress(RuntimeError):  # it is running already
                server.start()
        self.redis.resume()
        self.postgresql.resume()
        self.postgresql.set_read_only(is_on=False)
        self.unlimit_memory()
        self.allow_tracking()

    def __enter__(self) -> Self:
        """Start everything and add the users."""
        with ExitStack() as stack:
            stack.enter_context(self.redis)
            stack.enter_context(self.postgresql)
            if self._pooler is not None:
                stack.enter_context(self._pooler)
            migrate(self.environment)
            self.add_users()
            for instance in self.instances:
                stack.enter_context(instance)
            stack.enter_context(self._background_proxy)
            stack.enter_context(self.background)
            stack.enter_context(self.relay)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop everything."""
        self._stack.close()

    @contextmanager
    def _find(self, pk: int) -> Iterator[tuple[Redis, Iterator[bytes]]]:
        with self.redis.client() as client:
            yield client, client.scan_iter(f"*user:id:{pk}")


def _subdirectory(directory: Path, name: str) -> Path:
    path = directory / name
    path.mkdir()
    return path
