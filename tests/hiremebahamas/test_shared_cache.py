"""Each kind of Redis has its entry of CACHES, with short waits, and certificates verified."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from hiremebahamas.redis_urls import parse_redis_url
from hiremebahamas.shared_cache import RedisOptions, redis_cache

HOSTS = "hmb:secret@a,b"
URLS = [
    "redis://hmb:secret@a",
    "rediss://hmb:secret@a",
    "unix://hmb:secret@/run/redis.sock",
    f"redis+cluster://{HOSTS}",
    f"rediss+cluster://{HOSTS}",
    f"redis+sentinel://{HOSTS}/mymaster",
    f"rediss+sentinel://{HOSTS}/mymaster",
]


def options_of(url: str, **options: str) -> dict[str, Any]:
    entry = redis_cache(parse_redis_url(url), RedisOptions(0.25, 50, **options))
    found: dict[str, Any] = entry["OPTIONS"]
    return found


@pytest.mark.parametrize("url", URLS)
def test_waits_and_credentials(url: str) -> None:
    """They are the same for all, and the password is not in the address."""
    entry = redis_cache(parse_redis_url(url), RedisOptions(0.25, 50))
    pool = entry["OPTIONS"]["CONNECTION_POOL_KWARGS"]
    assert pool["socket_timeout"] == pool["socket_connect_timeout"] == 0.25
    assert pool["max_connections"] == 50
    assert pool["retry"].get_retries() == 0
    assert (entry["OPTIONS"]["USERNAME"], entry["OPTIONS"]["PASSWORD"]) == ("hmb", "secret")
    assert "secret" not in str(entry["LOCATION"])


@pytest.mark.parametrize("url", URLS)
def test_certificates_are_verified_where_there_are_some(url: str, tmp_path: Path) -> None:
    """By rediss and with the files of the environment; elsewhere nothing is said of them."""
    certs = tmp_path / "ca.pem"
    certs.touch()
    pool = options_of(url, ca_certs=str(certs), client_cert=str(certs))["CONNECTION_POOL_KWARGS"]
    told = {name: value for name, value in pool.items() if name.startswith("ssl_")}
    verified = {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": str(certs),
        "ssl_certfile": str(certs),
    }
    assert told == (verified if url.startswith("rediss") else {})


def test_missing_file_of_certificates() -> None:
    """It is said at start, not by the first request."""
    with pytest.raises(ImproperlyConfigured, match=r"REDIS_CA_CERTS: there is no file /nowhere"):
        options_of("rediss://a", ca_certs="/nowhere/ca.pem")


def test_sentinels_have_a_login_of_their_own() -> None:
    """It is not the primary's."""
    options = options_of(URLS[-1], sentinel_username="watch", sentinel_password="other")
    assert options["SENTINEL_KWARGS"] == {"username": "watch", "password": "other"}
    assert options["SENTINELS"] == [("a", 26379), ("b", 26379)]
    assert options_of(URLS[-1])["SENTINEL_KWARGS"] == {}
