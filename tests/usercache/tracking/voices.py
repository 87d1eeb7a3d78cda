"""The two ways in which Redis reports changes, as an ACL of the default user allows them."""

from redis import Redis

from tests.servers.redis_cluster import ask
from tests.servers.redis_server import WITH_TRACKING, WITHOUT_TRACKING, RedisServer

TRACKING, MESSAGES = "tracking", "messages"
VOICES = (TRACKING, MESSAGES)
_RULES = {TRACKING: WITH_TRACKING, MESSAGES: WITHOUT_TRACKING}
_FLAGS = {"t", "P"}
"""Of connections that track, and of those that subscribed."""


def allow(server: RedisServer, voice: str) -> None:
    """Let the server report by client tracking, or refuse it."""
    ask(server, "ACL", "SETUSER", "default", *_RULES[voice])


def listening_clients(redis: Redis) -> list[str]:
    """Return the ids of the connections on which changes are reported."""
    return [client["id"] for client in redis.client_list() if _FLAGS & set(client["flags"])]


def voices_heard(redis: Redis) -> set[str]:
    """Return in which ways changes are reported now."""
    flags = {flag for client in redis.client_list() for flag in client["flags"]}
    return {voice for voice, flag in ((TRACKING, "t"), (MESSAGES, "P")) if flag in flags}
