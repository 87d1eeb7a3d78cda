"""Checks for deployment: access to the shared Redis needs a log-in and is encrypted."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning

from usercache.conf import conf

_LOGINS: Final = ("password", "credential_provider")


def check_exposure(**_kwargs: Any) -> list[CheckMessage]:
    """Warn of a Redis across a network without password (W020) or TLS (W021); shows neither."""
    alias = conf.USERCACHE_REDIS_ALIAS
    config = settings.CACHES.get(alias, {})
    options = config.get("OPTIONS", {})
    pool = options.get("CONNECTION_POOL_KWARGS", {})
    urls = list(_urls(config.get("LOCATION", "")))
    hosts = [host for host, _ in options.get("SENTINELS", ())] or [url.hostname for url in urls]
    if settings.DEBUG or all(_is_this_machine(host) for host in hosts):
        return []
    messages = list[CheckMessage]()
    if not (_has_login(options, pool) or all(url.password for url in urls)):
        messages.append(
            CheckWarning(
                f"CACHES['{alias}'] leads across a network to a Redis without a password.",
                hint="Anyone who reaches it can read every cached user and empty the cache. Give "
                "Redis a password or an ACL user, and name it in the URL (user:password@host).",
                id="usercache.W020",
            )
        )
    if not (pool.get("ssl") or all(url.scheme == "rediss" for url in urls)):
        messages.append(
            CheckWarning(
                f"CACHES['{alias}'] leads across a network to a Redis without TLS.",
                hint="Anyone who listens reads the password and every cached user. Use a rediss:// "
                "URL; silence this one where the network itself is encrypted.",
                id="usercache.W021",
            )
        )
    return messages


def _urls(location: Any) -> Iterator[Any]:
    parts = location.split(",") if isinstance(location, str) else location
    return (urlsplit(part.strip()) for part in parts)


def _has_login(options: Mapping[str, Any], pool: Mapping[str, Any]) -> bool:
    return bool(options.get("PASSWORD")) or any(pool.get(name) for name in _LOGINS)


def _is_this_machine(host: str | None) -> bool:
    if not host or host == "localhost":  # no host: a socket file
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
