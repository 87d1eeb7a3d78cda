"""Servers for django-redis' tests, and the settings of a project that uses them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.servers.redis_cluster import ClusterServers
from tests.servers.redis_server import RedisServer
from tests.servers.sentinel_set import SERVICE, SentinelSet
from tests.servers.server import HOST, find_free_port

ROOM: Final = "usercache.redis_topologies"
SETTINGS: Final = """
class Options(dict):
    def clear(self):
        pass  # a test of theirs would empty the settings of all that follow


def alias(location, **more):
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": location,
        "OPTIONS": Options(OPTIONS),
    } | more


SECRET_KEY = "of tests, which share nothing with anybody"
CACHES = {
    "default": alias(LOCATION),
    "sample": alias(LOCATION),
    "with_prefix": alias(LOCATION, KEY_PREFIX="test-prefix"),
    "doesnotexist": alias(NOBODY),
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
USE_TZ = False
"""


@contextmanager
def plain(directory: Path) -> Iterator[str]:
    """Run one server, for django-redis' own client."""
    with RedisServer(directory) as server:
        yield write(server.url, f"redis://{HOST}:{find_free_port()}/0", {})


@contextmanager
def cluster(directory: Path) -> Iterator[str]:
    """Run a cluster, for our client."""
    options = {
        "CLIENT_CLASS": f"{ROOM}.cluster.ClusterClient",
        "CONNECTION_FACTORY": f"{ROOM}.cluster.ClusterConnectionFactory",
    }
    with ClusterServers(directory, "") as servers:
        nobody = f"redis://{HOST}:{find_free_port()}"
        yield write(f"redis://{servers.addresses}", nobody, options)


@contextmanager
def sentinels(directory: Path) -> Iterator[str]:
    """Run sentinels and what they watch, for our connection factory."""
    with SentinelSet(directory, "", "") as servers:
        options = {
            "SENTINELS": [(HOST, sentinel.port) for sentinel in servers.sentinels],
            "CONNECTION_FACTORY": f"{ROOM}.sentinel.PrimaryConnectionFactory",
            "CONNECTION_POOL_CLASS": f"{ROOM}.sentinel.PrimaryPool",
        }
        yield write(f"redis://{SERVICE}/0", "redis://unknown/0", options)


def write(location: str, nobody: str, options: Mapping[str, Any]) -> str:
    """Return the settings of a project with its caches there."""
    return f"LOCATION, NOBODY, OPTIONS = {location!r}, {nobody!r}, {options!r}\n{SETTINGS}"
