"""The servers of the fleet test, and the users in them."""

from collections.abc import Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Self

from tests.fleet.background_process import BackgroundProcess
from tests.fleet.environment import make_environment, migrate
from tests.fleet.instance import Instance, redis_url
from tests.fleet.ledger import Ledger
from tests.fleet.memberships import Memberships
from tests.fleet.mint import Mint
from tests.fleet.processes import Relay, RestartablePostgreSQL
from tests.fleet.users import Person, Users
from tests.servers.pgbouncer import PgBouncer
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy

INSTANCES = 4
BUSY_USERS = 40
QUIET_USERS = 10
RAW_USERS = 10
MEMBERS = 10


class Fleet:
    """Web servers, other processes, PostgreSQL, Redis: `with Fleet(tmp_path) as fleet: …`."""

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
            Instance(
                _subdirectory(directory, f"web{n}"),
                self.environment,
                self.redis.port,
                has_redis=has_redis,
            )
            for n in range(INSTANCES)
        ]
        self.relay = Relay(_subdirectory(directory, "relay"), self.environment)
        # As long a way to Redis as the web servers': over a shorter one, a writer would be answered
        # before the others are told.
        self._background_proxy = TcpProxy(self.redis.port)
        self.background = BackgroundProcess(
            _subdirectory(directory, "background"),
            self.environment | redis_url(self._background_proxy, has_redis=has_redis),
        )
        self.ledger = Ledger()
        self.busy: list[Person] = []
        """They are written through the API, and read."""
        self.quiet: list[Person] = []
        """They are only read, so that every server could answer without the database."""
        self.raw: list[Person] = []
        """They are written past the product."""
        self.members: list[Person] = []
        """Their permission is changed through the ORM."""
        self.raw_members: list[Person] = []
        """It is changed past the product."""
        self.pilots: list[Person] = []
        """One for each process, which shows that it works."""
        self._stack = ExitStack()

    def open_users(self) -> Users:
        """Return the table of users for one thread; close it yourself."""
        return Users(self.postgresql.url, self.mint)

    def pick(self, random: Random) -> Instance:
        """Pick a server that takes requests, and enter it: the caller owes a `leave()`."""
        while not (instance := random.choice(self.instances)).enter():
            pass
        return instance

    def flush(self) -> None:
        """Let Redis forget everything."""
        with self.redis.client() as client:
            client.flushall()

    def __enter__(self) -> Self:
        """Start everything and add the users."""
        with ExitStack() as stack:
            stack.enter_context(self.redis)
            stack.enter_context(self.postgresql)
            if self._pooler is not None:
                stack.enter_context(self._pooler)
            migrate(self.environment)
            self._add_users()
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

    def _add_users(self) -> None:
        users = self.open_users()
        try:
            self.busy = users.create(BUSY_USERS)
            self.quiet = users.create(QUIET_USERS)
            self.raw = users.create(RAW_USERS)
            self.members = users.create(MEMBERS)
            self.raw_members = users.create(MEMBERS)
            Memberships(users).create((*self.members, *self.raw_members))
            self.pilots = users.create(INSTANCES + 2)
        finally:
            users.close()
        groups = self.busy, self.quiet, self.raw, self.members, self.raw_members, self.pilots
        for person in chain.from_iterable(groups):
            self.ledger.add(person.pk)


def _subdirectory(directory: Path, name: str) -> Path:
    path = directory / name
    path.mkdir()
    return path
