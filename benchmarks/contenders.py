"""The contenders, by the environment of their processes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.servers.stack import PROJECT

WAIT_SECONDS: Final = "30"
"""Nobody hangs here, but eight processes on two cores may wait for longer than a timeout."""

TTL_SECONDS: Final = 300
"""How long a user is cached, usercache's default and everybody's here."""
REDIS_ALONE: Final = {"USERCACHE_L1_MAX_ENTRIES": "0"}
"""What makes a process of ours ask Redis for every user; tokens it remembers as ever."""


LIMITS: Final = ("login_address", "login_pair", "login_account", "search_address", "search_account")
LONG_TTL_SECONDS: Final = "3600"
"""Longer than a run: what is measured warm stays warm."""
FORWARD_KEY: Final = "junkanoo" * 4
UNLIMITED: Final = "1000000/1"
"""More requests per second than any client makes here."""


@dataclass(frozen=True, eq=False)
class Contender:
    """One way to get the user behind a request."""

    label: str
    variables: dict[str, str] = field(default_factory=dict)
    is_ours: bool = False
    checkout: Path = PROJECT
    """Where its code is."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a process needs to be this contender's."""
        wait_policy = {
            "USERCACHE_REDIS_TIMEOUT_SECONDS": WAIT_SECONDS,
            "DATABASE_POOL_TIMEOUT_SECONDS": WAIT_SECONDS,
        }
        return {**wait_policy, **self.variables}


def make_product(label: str, checkout: Path = PROJECT) -> Contender:
    """Return the product itself, with its own settings but for limits on requests."""
    limits = ",".join(f"{name}={UNLIMITED}" for name in LIMITS)
    settings = {
        "DJANGO_SETTINGS_MODULE": "hiremebahamas.settings",
        "AUTH_LIMITS": limits,
        "USERCACHE_TTL_SECONDS": LONG_TTL_SECONDS,
        "USERCACHE_FORWARD_SIGNING_KEY": FORWARD_KEY,
    }
    return Contender(label, settings, is_ours=True, checkout=checkout)


def _peer(label: str, cache: str) -> Contender:
    return Contender(label, {"BENCHMARK_PEER": cache})


L1: Final = Contender("usercache", is_ours=True)
REDIS: Final = Contender(
    "usercache, Redis alone",
    {**REDIS_ALONE, "BENCHMARK_KEY_PREFIX": "red"},  # as long as the other's
    is_ours=True,
)
NO_REDIS: Final = Contender(
    "usercache, no Redis",
    # Room for everybody: nothing stands behind a process's memory but the database.
    {"BENCHMARK_WITHOUT_REDIS": "True", "USERCACHE_L1_MAX_ENTRIES": "1000000"},
    is_ours=True,
)
DATABASE: Final = _peer("simplejwt, database", "none")
STATELESS: Final = _peer("simplejwt, token only", "none")
PICKLED: Final = _peer("pickled users in cache.get", "pickled")
CACHEOPS: Final = _peer("cacheops", "cacheops")
CACHALOT: Final = _peer("cachalot", "cachalot")
