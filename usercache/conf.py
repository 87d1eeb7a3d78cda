"""The USERCACHE_* settings: one typed property each, spelled as the setting is.

Read once, since an unset one costs 2 us to ask for; anew where a test overrides one.
"""
# ruff: noqa: N802  # so that a name is the same here, in a settings module and in a message

from functools import cached_property
from typing import cast

from django.conf import settings


class Conf:
    """Read the project's settings; `usercache.checks` says what is wrong with them."""

    def read_again(self) -> None:
        """Forget what was read, since the settings have changed."""
        vars(self).clear()

    @cached_property
    def USERCACHE_SHARED_ALIAS(self) -> str:
        """Name the django-redis alias all processes share; "" when there is none."""
        return cast(str, getattr(settings, "USERCACHE_SHARED_ALIAS", ""))

    @cached_property
    def USERCACHE_LOCAL_ALIAS(self) -> str:
        """Name the LocMemCache alias that serves while the shared tier can't."""
        return cast(str, getattr(settings, "USERCACHE_LOCAL_ALIAS", "usercache-local"))

    @cached_property
    def USERCACHE_SIGNING_KEY(self) -> str:
        """Give the secret that records are signed with; changing it makes every record a miss."""
        return cast(str, getattr(settings, "USERCACHE_SIGNING_KEY", ""))

    @cached_property
    def USERCACHE_FIELDS(self) -> tuple[str, ...]:
        """List the columns that may be cached, the primary key among them; nothing else ever is."""
        return tuple(getattr(settings, "USERCACHE_FIELDS", ()))

    @cached_property
    def USERCACHE_TOKEN_VERSION_FIELD(self) -> str:
        """Name the cached column a token's `token_version` must equal; "" for no such check."""
        return cast(str, getattr(settings, "USERCACHE_TOKEN_VERSION_FIELD", "token_version"))

    @cached_property
    def USERCACHE_TTL_SECONDS(self) -> float:
        """Bound a record's life in the shared tier."""
        return cast(float, getattr(settings, "USERCACHE_TTL_SECONDS", 300.0))

    @cached_property
    def USERCACHE_TTL_JITTER(self) -> float:
        """Give the part of a TTL (0 to 0.5) taken off at random, lest entries expire in step."""
        return cast(float, getattr(settings, "USERCACHE_TTL_JITTER", 0.1))

    @cached_property
    def USERCACHE_NEGATIVE_TTL_SECONDS(self) -> float:
        """Bound the life of "no such user"."""
        return cast(float, getattr(settings, "USERCACHE_NEGATIVE_TTL_SECONDS", 30.0))

    @cached_property
    def USERCACHE_LOCAL_TTL_SECONDS(self) -> float:
        """Bound a local entry's life: no other process can be told of a change to it."""
        return cast(float, getattr(settings, "USERCACHE_LOCAL_TTL_SECONDS", 5.0))

    @cached_property
    def USERCACHE_NEAR_MAX_ENTRIES(self) -> int:
        """Bound the users kept in process memory while Redis is heard; 0 for no near tier."""
        return cast(int, getattr(settings, "USERCACHE_NEAR_MAX_ENTRIES", 10_000))

    @cached_property
    def USERCACHE_NEAR_MAX_BYTES(self) -> int:
        """Bound their memory; 0 for no bound but that of their number."""
        return cast(int, getattr(settings, "USERCACHE_NEAR_MAX_BYTES", 0))

    @cached_property
    def USERCACHE_TOKENS_MAX_ENTRIES(self) -> int:
        """Bound the verified tokens that a process remembers; 0 for none."""
        return cast(int, getattr(settings, "USERCACHE_TOKENS_MAX_ENTRIES", 10_000))

    @cached_property
    def USERCACHE_LEASE_TTL_SECONDS(self) -> float:
        """Bound how long one loader holds the others off; longer than a load takes."""
        return cast(float, getattr(settings, "USERCACHE_LEASE_TTL_SECONDS", 5.0))

    @cached_property
    def USERCACHE_LEASE_WAIT_SECONDS(self) -> float:
        """Bound how long a look-up waits for another's load before it makes its own."""
        return cast(float, getattr(settings, "USERCACHE_LEASE_WAIT_SECONDS", 0.25))

    @cached_property
    def USERCACHE_BARRIER_WAIT_SECONDS(self) -> float:
        """Bound how long a look-up waits for another's write to end; 0 to load at once."""
        return cast(float, getattr(settings, "USERCACHE_BARRIER_WAIT_SECONDS", 0.02))

    @cached_property
    def USERCACHE_BARRIER_TTL_SECONDS(self) -> float:
        """Bound a writer's barrier; longer than any transaction that writes a user."""
        return cast(float, getattr(settings, "USERCACHE_BARRIER_TTL_SECONDS", 60.0))

    @cached_property
    def USERCACHE_WAIT_REPLICAS(self) -> int:
        """Say how many replicas must have an invalidation before it counts as done; 0 for none."""
        return cast(int, getattr(settings, "USERCACHE_WAIT_REPLICAS", 0))

    @cached_property
    def USERCACHE_STATS_FLUSH_SECONDS(self) -> float:
        """Give the pause between two deliveries of this process's counts to the shared totals."""
        return cast(float, getattr(settings, "USERCACHE_STATS_FLUSH_SECONDS", 1.0))

    @cached_property
    def USERCACHE_AUDIT_SHARE(self) -> float:
        """Give the part of hits (0 to 1) that are compared with the database a moment later."""
        return cast(float, getattr(settings, "USERCACHE_AUDIT_SHARE", 0.001))

    @property
    def USERCACHE_METRICS_TOKEN(self) -> str:
        """Give the bearer token that opens the metrics and the cache's health; "" for none."""
        return cast(str, getattr(settings, "USERCACHE_METRICS_TOKEN", ""))

    @property
    def USERCACHE_METRICS_NETWORKS(self) -> tuple[str, ...]:
        """List the networks, as in `10.0.0.0/8`, that may read the metrics without a token."""
        return tuple(getattr(settings, "USERCACHE_METRICS_NETWORKS", ()))

    @property
    def USERCACHE_TRACING(self) -> bool:
        """Say whether each look-up is an OpenTelemetry span; needs opentelemetry-api."""
        return cast(bool, getattr(settings, "USERCACHE_TRACING", False))


conf = Conf()
