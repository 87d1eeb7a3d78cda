"""Every spelling of REDIS_URL is taken apart rightly, or refused with a word on what to do."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from hiremebahamas.redis_urls import Node, RedisAddress, Topology, parse_redis_url

SERVER, SOCKET = Topology.SERVER, Topology.SOCKET
CLUSTER, SENTINEL = Topology.CLUSTER, Topology.SENTINEL


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", RedisAddress(SERVER, nodes=(Node("cache", 6379),))),
        ("redis://cache:7/2", RedisAddress(SERVER, nodes=(Node("cache", 7),), database=2)),
        ("redis://[::1]:7/", RedisAddress(SERVER, nodes=(Node("::1", 7),))),
        (
            "rediss://hmb:p%40ss%2Fword@cache",
            RedisAddress(SERVER, True, "hmb", "p@ss/word", (Node("cache", 6379),)),
        ),
        ("redis://:secret@c", RedisAddress(SERVER, password="secret", nodes=(Node("c", 6379),))),
        ("unix:///run/redis%201.sock", RedisAddress(SOCKET, path="/run/redis 1.sock")),
        (
            "unix://hmb:secret@/run/redis.sock",
            RedisAddress(SOCKET, username="hmb", password="secret", path="/run/redis.sock"),
        ),
        ("redis+cluster://a", RedisAddress(CLUSTER, nodes=(Node("a", 6379),))),
        (
            "rediss+cluster://u:p@a:1,b,[::1]:3/0",
            RedisAddress(CLUSTER, True, "u", "p", (Node("a", 1), Node("b", 6379), Node("::1", 3))),
        ),
        (
            "redis+sentinel://:p@a,b:2/mymaster/3",
            RedisAddress(
                SENTINEL,
                password="p",
                nodes=(Node("a", 26379), Node("b", 2)),
                service="mymaster",
                database=3,
            ),
        ),
        (
            "rediss+sentinel://a/mymaster",
            RedisAddress(SENTINEL, True, nodes=(Node("a", 26379),), service="mymaster"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_spelling(url: str, address: RedisAddress) -> None:
    """Each part is found, with its default where it is left out."""
    assert parse_redis_url(url) == address


@pytest.mark.parametrize(
    "rest",
    [
        "redis.example.com",
        "http://:PASSWORD@cache",
        "redis+ring://:PASSWORD@cache",
        "redis+://:PASSWORD@cache",
        "+cluster://:PASSWORD@cache",
        "redis://",
        "redis://:PASSWORD@",
        "redis://:PASSWORD@/0",
        "redis://:PASSWORD@cache:port",
        "redis://:PASSWORD@cache:0",
        "redis://:PASSWORD@cache:65536",
        "redis://:PASSWORD@cache/zero",
        "redis://:PASSWORD@cache/0/1",
        "redis://:PASSWORD@a,b",
        "redis://:PASSWORD@cache?ssl_cert_reqs=none",
        "redis://:PASSWORD@cache/0?db=1",
        "redis://user:PASSWORD@rest@cache",
        "redis://user:PASSWORD/rest@cache",
        "redis://user:PASSWORD#rest@cache",
        "redis://user:PASSWORD:rest@cache",
        "unix://:PASSWORD@",
        "unix://:PASSWORD@run/redis.sock",
        "unix:///run/",
        "redis+cluster://:PASSWORD@a,,b",
        "redis+cluster://:PASSWORD@a/1",
        "redis+sentinel://:PASSWORD@a,b",
        "redis+sentinel://:PASSWORD@a,b/",
        "redis+sentinel://:PASSWORD@a/mymaster/x",
    ],
)
def test_mistake(rest: str) -> None:
    """It is said with the right spellings and without the password."""
    with pytest.raises(ImproperlyConfigured, match=r"^REDIS_URL .* Write it as redis") as refusal:
        parse_redis_url(rest)
    assert "PASSWORD" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_password_is_not_shown() -> None:
    """Neither in a log nor in a traceback's locals."""
    assert "secret" not in repr(parse_redis_url("redis://hmb:secret@cache"))
