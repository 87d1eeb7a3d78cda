"""The USERCACHE_* settings: name, type, default and range, each in one place.

Each is read once, since an unset Django setting costs 2 us to ask for, and again where a test
overrides it.
"""
# so that a name is the same here, in a settings module and in a message

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from django.conf import settings

T = TypeVar("T", str, int, float, bool, tuple[str, ...])


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting; read as an attribute of `conf`. Numbers say their range and unit."""

    default: T
    low: float = 0
    high: float = 0
    unit: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "name", name)

    @overload
    def __get__(self, conf: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, conf: object, owner: type) -> T: ...
    def __get__(self, conf: object | None, owner: type) -> "T | Setting[T]":
        """Return the value, and keep it: the instance's own attribute is found first."""
        if conf is None:
            return self
        name: str = vars(self)["name"]
        value: T = getattr(settings, name, self.default)
        if isinstance(self.default, tuple):
            value = _freeze(value)
        vars(conf)[name] = value
        return value


def _freeze(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Conf:
    """The project's settings; `usercache.checks` says what is wrong with them."""

    USERCACHE_ENABLED = Setting(default=True)
    """Whether anything is cached; off, as for tests, look-ups and writes are Django's own."""
    USERCACHE_REDIS_ALIAS = Setting("")
    """The django-redis alias that all processes share; "" without Redis."""
    USERCACHE_MEMORY_ALIAS = Setting("usercache-local")
    """The LocMemCache alias that serves while Redis can't."""
    USERCACHE_SIGNING_KEY = Setting("")
    """The secret that records are signed with; changing it makes every record a miss."""
    USERCACHE_SIGNING_KEY_FALLBACKS = Setting[tuple[str, ...]](())
    """Earlier secrets, whose records are still read while a new one replaces them."""
    USERCACHE_FIELDS = Setting[tuple[str, ...]](())
    """The columns that may be cached, the primary key among them; nothing else ever is."""
    USERCACHE_LISTEN_ALIAS = Setting("")
    """The DATABASES alias on which changes are heard of, past a connection pooler; "" for that of
    the users."""
    USERCACHE_READ_ONLY_USERS = Setting(default=False)
    """Whether saving or deleting a cached user is an error instead of a write."""
    USERCACHE_TTL_SECONDS = Setting(300.0, 1, 86_400, "seconds")
    """The longest life of a record in Redis."""
    USERCACHE_TTL_JITTER = Setting(0.1, 0, 0.5, "as a part of the TTL")
    """The part of a TTL taken off at random, so that entries don't expire in step."""
    USERCACHE_NEGATIVE_TTL_SECONDS = Setting(30.0, 1, 3600, "seconds")
    """The longest life of "no such user"."""
    USERCACHE_MEMORY_TTL_SECONDS = Setting(5.0, 0.1, 60, "seconds")
    """The longest life of an entry in process memory, where nobody reports changes to it."""
    USERCACHE_FILL_LOCK_TTL_SECONDS = Setting(5.0, 0.1, 60, "seconds")
    """How long one loader holds the others off; longer than a load takes."""
    USERCACHE_FILL_LOCK_WAIT_SECONDS = Setting(0.25, 0, 60, "seconds")
    """How long a look-up waits for another caller's load before it loads by itself."""
    USERCACHE_WRITE_MARKER_TTL_SECONDS = Setting(60.0, 1, 3600, "seconds")
    """How long a write marker stands whose process no longer renews it."""
    USERCACHE_WRITE_MARKER_WAIT_SECONDS = Setting(0.02, 0, 60, "seconds")
    """How long a look-up waits for another caller's write; 0 to load at once."""
    USERCACHE_WAIT_REPLICAS = Setting(0, 0, 10, "replicas")
    """How many replicas must have an invalidation before it counts as done."""

    USERCACHE_VERSION_FIELD = Setting("")
    """The cached integer column that grows with each change of a cached column, by a trigger on
    PostgreSQL; "" for none."""

    # Of usercache.auth
    USERCACHE_TOKEN_VERSION_FIELD = Setting("token_version")
    """The cached column that a token's `token_version` must equal; "" for no such check."""
    USERCACHE_TOKEN_VERSION_UNCLAIMED = Setting(0, 0, 2**31 - 1, "versions")
    """The version that a token without the claim counts as, while older tokens are valid; 0 to
    refuse it."""
    USERCACHE_PASSWORD_FINGERPRINT = Setting(default=False)
    """Whether records recognise sessions and, for simplejwt's CHECK_REVOKE_TOKEN, tokens, so that
    the check of their password costs no query."""
    USERCACHE_ENDED_SESSIONS_FIELD = Setting("")
    """The cached text column, with `sid` of ended sessions as words; "" for no such check."""
    USERCACHE_SESSION_BACKENDS = Setting[tuple[str, ...]](())
    """The authentication backends whose own `get_user()` finds users by their key alone, as
    ModelBackend's does."""
    USERCACHE_TOKENS_MAX_ENTRIES = Setting(10_000, 0, 10_000_000, "tokens")
    """How many verified tokens a process remembers; 0 for none."""
    USERCACHE_FORWARD_SIGNING_KEY = Setting("")
    """The secret that ForwardAuth signs its headers with, shared with the services behind it."""
    USERCACHE_FORWARD_FIELDS = Setting[tuple[str, ...]](())
    """The cached columns that ForwardAuth tells besides the key."""

    # Of the client-side cache
    USERCACHE_L1_MAX_ENTRIES = Setting(10_000, 0, 10_000_000, "users")
    """How many users, and pointers to them, a process keeps in memory; 0 for no client-side
    cache."""
    USERCACHE_L1_MAX_BYTES = Setting(0, 0, 1 << 40, "bytes")
    """How much memory they may take; 0 for no bound but that of their number."""

    # Of usercache.observability
    USERCACHE_METRICS_FLUSH_SECONDS = Setting(1.0, 0.05, 60, "seconds")
    """The pause between two deliveries of a process's counts to Redis."""
    USERCACHE_METRICS_TOKEN = Setting("")
    """The bearer token that opens the metrics and the cache's health; "" for none."""
    USERCACHE_METRICS_NETWORKS = Setting[tuple[str, ...]](())
    """The networks, as in `10.0.0.0/8`, that may read the metrics without a token."""
    USERCACHE_AUDIT_SHARE = Setting(0.001, 0, 1, "of the hits")
    """The part of the hits that are compared with the database a moment later."""
    USERCACHE_SHADOW_SHARE = Setting(0.0, 0, 1, "of these look-ups")
    """The part of the look-ups of users kept out by `manage.py usercache` whose answer is compared
    with the cache's."""
    USERCACHE_TRACING = Setting(default=False)
    """Whether each look-up is an OpenTelemetry span; needs opentelemetry-api."""

    def read_again(self) -> None:
        """Drop what was read, since the settings have changed."""
        vars(self).clear()


conf = Conf()
SETTINGS: dict[str, "Setting[str] | Setting[int] | Setting[float]"] = {
    name: setting for name, setting in vars(Conf).items() if isinstance(setting, Setting)
}
"""By name."""
