"""The names and versions of the servers at a URL."""

import environ
import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.errors import ServerUnavailableError

ANSWER_SECONDS = 60


def describe_postgresql(url: str) -> str:
    """Name the server and its version, as in `PostgreSQL 15.18`.

    Raises: ServerUnavailableError if the URL is not PostgreSQL's, or nobody answers there.
    """
    address = environ.Env.db_url_config(url)
    if "postgresql" not in str(address["ENGINE"]):
        raise ServerUnavailableError(
            "DATABASE_URL is not a PostgreSQL's. Unset it, and the tests start a server of their "
            "own, or run them with --stack=embedded."
        )
    try:
        with psycopg.connect(
            dbname=address["NAME"],
            user=address["USER"],
            password=address["PASSWORD"],
            host=address["HOST"],
            port=address["PORT"],
            connect_timeout=ANSWER_SECONDS,
        ) as connection:
            version = connection.info.parameter_status("server_version") or "?"
    except psycopg.OperationalError as error:
        raise ServerUnavailableError(
            f"DATABASE_URL is set, but no PostgreSQL answers there: {error}"
        ) from error
    return f"PostgreSQL {version.split()[0]}"


def describe_redis(url: str) -> str:
    """Name the server and its version, as in `Redis 7.0.15` or `Valkey 9.1.2`.

    Raises: ServerUnavailableError if nobody answers there.
    """
    try:
        with redis.Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
        ) as client:
            info = client.info("server")
    except ValueError as error:
        raise ServerUnavailableError(
            "REDIS_URL is not one server's. Unset it: the tests start sentinels and clusters of "
            "their own."
        ) from error
    except redis.RedisError as error:
        raise ServerUnavailableError(
            f"REDIS_URL is set, but no Redis answers there: {error}"
        ) from error
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"
