"""Redis behind sentinels, for django-redis: always the primary, found within one timeout.

django-redis's own client reads from replicas, which may lag behind an invalidation; redis-py
queries the sentinels one after the other, each for a whole timeout, and doesn't check again whether
a server is still the primary. Both share pools by URL alone, and the URL of a service names no
sentinel. Use it in CACHES as

    "LOCATION": "redis://mymaster/0",
    "OPTIONS": {
        "SENTINELS": [("sentinel1", 26379), ("sentinel2", 26379), ("sentinel3", 26379)],
        "CONNECTION_FACTORY": "usercache.redis_topologies.sentinel.PrimaryConnectionFactory",
        "CONNECTION_POOL_CLASS": "usercache.redis_topologies.sentinel.PrimaryPool",
    },

with `"ssl": True` in CONNECTION_POOL_KWARGS for TLS, and in SENTINEL_KWARGS what differs for the
sentinels themselves (usually their password).
"""

import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django_redis.pool import ConnectionFactory
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from usercache.clocks import boot_time
from usercache.redis_topologies.deadlines import DeadlineMixin, SoundPool, with_deadlines
from usercache.redis_topologies.threads import start_thread

Address = tuple[str, int]
Answer = Address | RedisError

_SHARED_WITH_SENTINELS: Final = ("socket_", "ssl", "retry")
CHECK_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 1.0
"""How long to wait for the sentinels if no timeout is given."""
_PRIMARY: Final = (b"master", "master")
_REPLICA: Final = "replica"


class NotPrimaryError(RedisConnectionError):
    """Raised when the sentinels named a replica; the next connection asks them again."""


class PrimaryFinder(Sentinel):
    """Query all sentinels at once and take the first answer that names a primary which is up."""

    def __init__(self, sentinels: list[Address], wait_seconds: float, **kwargs: Any) -> None:
        """Take the sentinels' addresses and how long to wait for any of them."""
        kwargs.setdefault("retry", Retry(NoBackoff(), 0))
        super().__init__(sentinels, sentinel_kwargs=kwargs)  # type: ignore[no-untyped-call]
        for sentinel in self.sentinels:
            # Or each query to a sentinel that answers byte by byte would leave a thread behind.
            pool = sentinel.connection_pool
            pool.connection_class = with_deadlines(pool.connection_class)
        self._wait_seconds = wait_seconds

    def discover_master(self, service_name: str) -> Address:
        """Return the primary's address; one round trip, unless every sentinel hangs.

        Raises:
            MasterNotFoundError: the sentinels that answered know of none that is up.
            redis.TimeoutError: none that knows it answered in time, and not all answered.
        """
        answers = SimpleQueue[Answer]()
        for sentinel in self.sentinels:
            start_thread("usercache-sentinel", self._ask, sentinel, service_name, answers)
        deadline = time.monotonic() + self._wait_seconds
        doubts = list[str]()
        for _ in self.sentinels:
            try:
                answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise RedisTimeoutError(f"Sentinels did not answer. {' '.join(doubts)}") from None
            if not isinstance(answer, RedisError):
                return answer
            doubts.append(str(answer))
        raise MasterNotFoundError(f"No sentinel names a primary. {' '.join(doubts)}")

    def _ask(self, sentinel: "Redis", service_name: str, answers: SimpleQueue[Answer]) -> None:
        try:
            states = cast("dict[str, dict[str, Any]]", sentinel.sentinel_masters())
        except RedisTimeoutError:
            return  # the caller has a timeout of its own
        except RedisError as error:
            answers.put(error)
            return
        state = states.get(service_name)
        if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
            answers.put((state["ip"], state["port"]))
        else:
            answers.put(MasterNotFoundError(f"{service_name} is unknown or down."))


class PrimaryConnection(DeadlineMixin, SentinelManagedConnection):
    """A connection that refuses a replica."""

    def on_connect(self) -> None:
        """Do as `on_connect_check_health()`, which redis-py 5 doesn't call.

        Raises:
            NotPrimaryError: it is a replica.
        """
        super().on_connect()  # type: ignore[no-untyped-call]  # redis-py's
        self._check_role()

    def on_connect_check_health(self, check_health: bool = True) -> None:
        """Log in, then ask for the server's role: sentinels may not know yet that it was replaced.

        Raises:
            NotPrimaryError: it is a replica.
        """
        super().on_connect_check_health(check_health)
        self._check_role()

    def _check_role(self) -> None:
        try:
            self.send_command("ROLE")  # type: ignore[no-untyped-call]
            role, *_ = self.read_response()
        except ResponseError:
            role = self._find_role_by_trying()
        if role not in _PRIMARY:
            raise NotPrimaryError(f"{self.host}:{self.port} is a {role!r}, not the primary.")

    def _find_role_by_trying(self) -> str:
        # Some rented kinds refuse ROLE. A replica refuses to wait for replicas of its own, if only
        # for none. Where WAIT is refused as well, the sentinels are believed.
        self.send_command("WAIT", 0, 0)  # type: ignore[no-untyped-call]
        try:
            self.read_response()
        except ResponseError as error:
            if _REPLICA in str(error):
                return _REPLICA
        return _PRIMARY[1]


class PrimarySSLConnection(PrimaryConnection, SentinelManagedSSLConnection):
    """The same, encrypted."""


class PrimaryPool(SoundPool, SentinelConnectionPool):
    """Connections to whichever server is the primary.

    While in use, the sentinels are asked once a second whether it still is the primary: a replaced
    one may accept writes for ten more seconds, or for as long as it is cut off from them. Then its
    connections are dropped.
    """

    def __init__(self, service_name: str, sentinel_manager: Sentinel, **kwargs: Any) -> None:
        """Take the arguments of `SentinelConnectionPool`, and `ssl` to encrypt."""
        encrypt = kwargs.pop("ssl", False)
        kwargs["connection_class"] = PrimarySSLConnection if encrypt else PrimaryConnection
        super().__init__(service_name, sentinel_manager, **kwargs)  # type: ignore[no-untyped-call]
        self._check_at = boot_time() + CHECK_SECONDS

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection to the primary, as of the last check."""
        self._check_when_due()
        return super().get_connection(*args, **options)

    def owns_connection(self, connection: Any) -> bool:
        """Return whether it leads to the primary, as of the last check."""
        self._check_when_due()
        return bool(super().owns_connection(connection))  # type: ignore[no-untyped-call]  # redis-py's

    def _check_when_due(self) -> None:
        now = boot_time()
        if now >= self._check_at:
            # Two threads may do so at once; then both ask.
            self._check_at = now + CHECK_SECONDS
            with suppress(RedisConnectionError):  # at the end of the process no thread can start
                start_thread("usercache-sentinel", self._check)

    def _check(self) -> None:
        with suppress(RedisError):  # the next connection raises it
            self.get_master_address()  # type: ignore[no-untyped-call]


class PrimaryConnectionFactory(ConnectionFactory[Redis, ConnectionPool, Any]):
    """Make one pool for each service of each set of sentinels."""

    def get_or_create_connection_pool(self, params: dict[str, Any]) -> ConnectionPool:
        """Return the pool that all threads share."""
        # Not by URL alone, as in django-redis: an alias would get another's timeouts.
        key = repr((sorted(params.items(), key=str), self._sentinels, self._kwargs))
        with _POOLS_LOCK:
            if key not in _POOLS:
                _POOLS[key] = self.get_connection_pool(params)
            return _POOLS[key]

    def get_connection_pool(self, params: dict[str, Any]) -> ConnectionPool:
        """Return a new pool for the service named in place of the URL's host."""
        common, own = self._kwargs
        shared = {k: v for k, v in common.items() if k.startswith(_SHARED_WITH_SENTINELS)}
        kwargs = shared | own
        wait_seconds = kwargs.get("socket_timeout") or LONGEST_WAIT_SECONDS
        finder = PrimaryFinder(self._sentinels, wait_seconds, **kwargs)
        service = {
            # Not `hostname`, which is in lower case.
            "service_name": unquote(urlsplit(params["url"]).netloc.rpartition("@")[2]),
            "sentinel_manager": finder,
        }
        return super().get_connection_pool(params | service)

    @property
    def _kwargs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.pool_cls_kwargs, self.options.get("SENTINEL_KWARGS", {})

    @property
    def _sentinels(self) -> list[Address]:
        sentinels: list[Address] = self.options.get("SENTINELS", [])
        if not sentinels:
            raise ImproperlyConfigured(
                'Name the sentinels in OPTIONS["SENTINELS"]: [(host, port)].'
            )
        return sentinels


_POOLS: Final[dict[str, ConnectionPool]] = {}
_POOLS_LOCK: Final = threading.Lock()
