"""No password, token or column off the whitelist gets into a cache or a log."""

import logging
import os
from pathlib import Path

import msgspec
import pytest
from pytest_django import Settings

from accounts.models import LoginSession, User
from tests.accounts.api_keys.program import make_program
from tests.accounts.views.test_registration import USER_FIELDS
from tests.cast import NEW_PASSWORD, PASSWORD
from tests.e2e.http_client import HttpClient
from tests.e2e.raw_backends import RawBackend, RawRedis, decode
from tests.e2e.tour import LAST_LOGIN, Tour
from tests.e2e.web_server import WebServer
from tests.plugin import KEY_VARIABLES
from usercache.keys import record_key

pytestmark = pytest.mark.django_db(transaction=True)

CACHED_COLUMNS = USER_FIELDS | {
    "is_superuser",
    "version",
    "token_version",
    "ended_sessions",
    "live_keys",
}


@pytest.fixture
def tour(dora: User, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tour:
    """Prepare a walk through everything, with a folder for its uploads, and plain records."""
    monkeypatch.setattr("usercache.codec.COMPRESSION_LEVEL", 0)
    settings.MEDIA_ROOT = tmp_path
    return Tour(dora)


def find_secrets(tour: Tour, content: bytes) -> set[str]:
    """Return what the content should not have in it."""
    secrets = tour.secrets | {"argon2"} | {os.environ[name] for name in KEY_VARIABLES}
    found = {secret for secret in secrets if secret.encode() in content}
    return found | ({"last_login"} if msgspec.msgpack.encode(LAST_LOGIN) in content else set())


def check_content(backend: RawBackend) -> None:
    """Make sure that records are the rows' whitelisted columns, and pointers ids; and no more."""
    rows = {record_key(user.pk): user for user in User.objects.all()}
    records = decode(backend)
    assert records.keys() & rows.keys()
    for key, columns in records.items():
        if columns is None:
            assert key not in rows
        else:
            assert columns.keys() == CACHED_COLUMNS
            assert columns.items() <= vars(rows[key]).items()
    pointers = {held for key, held in backend.read().items() if key not in records}
    assert pointers
    assert pointers <= {str(user.pk).encode() for user in rows.values()}


def test_cache_holds_nothing_but_whitelisted_columns(
    raw_backend: RawBackend, tour: Tour, caplog: pytest.LogCaptureFixture
) -> None:
    """After all that users and admins can do; and no secret is in it, nor in the log."""
    caplog.set_level(logging.DEBUG)
    tour.walk()
    check_content(raw_backend)
    assert find_secrets(tour, raw_backend.read_everything()) == set()
    assert find_secrets(tour, caplog.text.encode()) == set()


@pytest.mark.redis
def test_no_secret_passes_through_redis(raw_redis: RawRedis, tour: Tour) -> None:
    """Not even for a moment: nothing that was sent to it had one."""
    with raw_redis.watch() as seen:
        tour.walk()
    assert b"user:id:" in seen
    assert find_secrets(tour, bytes(seen)) == set()


def test_no_secret_is_in_the_log_of_the_web_server(
    web_server: WebServer, anybody: HttpClient, alice: User
) -> None:
    """Tokens and passwords come and go without being written down."""
    credentials = {"email": alice.email, "password": PASSWORD}
    anybody.send("POST", "/auth/login", credentials | {"password": NEW_PASSWORD})
    pair = anybody.send("POST", "/auth/login", credentials).body
    refreshed = anybody.send("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]}).body
    LoginSession.objects.all().delete()
    anybody.send("POST", "/auth/refresh", {"refresh_token": refreshed["refresh_token"]})
    anybody.having(pair["access_token"] + "x").get("/auth/verify")
    key = make_program(alice).key
    assert anybody.having_key(key).get("/auth/verify").status == 200
    anybody.having_key(key + "x").get("/auth/verify")
    log = web_server.read_log()
    assert key[-43:] not in log
    assert not [token for token in (*pair.values(), *refreshed.values()) if str(token) in log]
    assert PASSWORD not in log
    assert NEW_PASSWORD not in log
