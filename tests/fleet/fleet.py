"""What every fleet has: web servers, other processes, and users that the load knows."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from random import Random
from typing import Self

from tests.fleet.background_process import BackgroundProcess
from tests.fleet.entrance import Entrance
from tests.fleet.instance import Instance
from tests.fleet.ledger import Ledger
from tests.fleet.memberships import Memberships
from tests.fleet.mint import Mint
from tests.fleet.processes import Relay
from tests.fleet.users import Person, Users

INSTANCES = 4
BUSY_USERS = 40
QUIET_USERS = 10
RAW_USERS = 10
MEMBERS = 10


class Fleet(ABC):
    """Servers and users: `with SmallFleet(tmp_path) as fleet: …`."""

    has_redis = True
    load_niceness = 0
    """How much the load gives way to the servers, so that one of them can start under it."""
    instances: Sequence[Instance]
    relays: Sequence[Relay]
    background: BackgroundProcess
    mint: Mint
    """Signs the users' tokens."""
    environment: dict[str, str]
    """What all processes of the product have in common."""

    def __init__(self) -> None:
        """Have no users yet."""
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

    @property
    @abstractmethod
    def database_url(self) -> str:
        """The URL of the PostgreSQL that takes writes, past any pooler."""

    @abstractmethod
    def flush(self) -> None:
        """Let Redis forget everything."""

    @abstractmethod
    def forget(self, pk: int) -> None:
        """Let Redis forget a user. Raises: RedisError."""

    @abstractmethod
    def is_cached(self, pk: int) -> bool:
        """Return whether Redis has a user. Raises: RedisError."""

    @abstractmethod
    def heal(self) -> None:
        """Undo what a scenario has left behind, one that failed half-way too."""

    @abstractmethod
    def __enter__(self) -> Self:
        """Start everything and add the users."""

    @abstractmethod
    def __exit__(self, *exception: object) -> None:
        """Stop everything."""

    def open_users(self) -> Users:
        """Return the table of users for one thread; close it yourself."""
        return Users(lambda: self.database_url, self.mint)

    def pick(self, random: Random) -> Entrance:
        """Pick a server that takes requests, and enter it: the caller owes a `leave()`."""
        while not (instance := random.choice(self.instances)).enter():
            pass
        return instance

    def restart_all(self, variables: Mapping[str, str]) -> None:
        """Restart one process after the other, with these in its environment from now on."""
        self.environment |= variables
        for instance in self.instances:
            instance.restart(variables)
        for relay in self.relays:
            relay.restart(variables)
        self.background.restart(variables)

    def add_users(self) -> None:
        """Add everybody that the load knows."""
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
        for person in self._people():
            self.ledger.add(person.pk)

    def _people(self) -> Iterator[Person]:
        groups = self.busy, self.quiet, self.raw, self.members, self.raw_members, self.pilots
        return chain.from_iterable(groups)
