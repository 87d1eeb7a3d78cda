"""Who is measured, by the environment that makes a process theirs."""

from dataclasses import dataclass, field
from typing import Final

PATIENCE_SECONDS: Final = "30"
"""Nobody hangs here, but eight processes on two cores may wait for longer than a timeout."""

TTL_SECONDS: Final = 300
"""How long a user is cached, usercache's default and everybody's here."""
REDIS_ALONE: Final = {"USERCACHE_NEAR_MAX_ENTRIES": "0"}
"""What makes a process of ours ask Redis for every user; tokens it remembers as ever."""


@dataclass(frozen=True, eq=False)
class Contender:
    """One way to get the user behind a request."""

    label: str
    variables: dict[str, str] = field(default_factory=dict)
    is_ours: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a process needs to be this contender's."""
        patience = {
            "USERCACHE_REDIS_TIMEOUT_SECONDS": PATIENCE_SECONDS,
            "DATABASE_POOL_TIMEOUT_SECONDS": PATIENCE_SECONDS,
        }
        return {**patience, **self.variables}


def _peer(label: str, cache: str) -> Contender:
    return Contender(label, {"BENCHMARK_PEER": cache})


NEAR: Final = Contender("usercache", is_ours=True)
REDIS: Final = Contender(
    "usercache, Redis alone",
    {**REDIS_ALONE, "BENCHMARK_KEY_PREFIX": "red"},  # as long as the other's
    is_ours=True,
)
DATABASE: Final = _peer("simplejwt, database", "none")
STATELESS: Final = _peer("simplejwt, token only", "none")
PICKLED: Final = _peer("pickled users in cache.get", "pickled")
CACHEOPS: Final = _peer("cacheops", "cacheops")
CACHALOT: Final = _peer("cachalot", "cachalot")
