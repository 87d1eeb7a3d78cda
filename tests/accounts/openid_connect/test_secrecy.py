"""No byte of a provider's token, of a code or of our secret stays anywhere."""

import gc
import logging
import secrets
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings
from redis import Redis

from tests.accounts.openid_connect.browser import Browser
from tests.accounts.openid_connect.provider import CLIENT_SECRET, Provider

pytestmark = pytest.mark.django_db(transaction=True)


class Life:
    """Ada's log-ins, good and refused, and what they leave; `secrets` is what must not be there."""

    def __init__(self, browser: Browser) -> None:
        provider, self.answers = browser.provider, list[str]()
        codes, flows = list[str](), list[str]()
        for change in ({}, {}, {"aud": "x"}, {"nonce": "x"}):
            provider.claims = change
            begun = browser.begin()
            body = browser.go(begun)
            codes.append(body["code"])
            flows.append(body["flow"])
            self.answers.append(browser.complete(body).content.decode())
        for path in ("/auth/openid-connect", "/auth/openid-connect/login"):
            self.answers.append(browser.client.get(path).content.decode())
        self.verifiers = [form["code_verifier"] for form in provider.forms]
        self.secrets = {*provider.issued, *codes, *flows, *self.verifiers, CLIENT_SECRET}
        assert len(self.secrets) == 4 * 6 + 1


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Log all there is to log; to be asked for before `life`."""
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def life(browser: Browser) -> Life:
    """Live it."""
    return Life(browser)


def find(secrets: set[str], text: str) -> list[str]:
    """Return the secrets that are in the text."""
    return [secret for secret in secrets if secret in text]


def test_answers(life: Life) -> None:
    """Ours have tokens of ours alone."""
    text = " ".join(life.answers)
    assert "access_token" in text
    assert not find(life.secrets, text)


def test_logs(log: pytest.LogCaptureFixture, life: Life) -> None:
    """They say why somebody was refused. Ours: the provider, in this process, has its own."""
    records = log.get_records("setup")  # where `life` was lived
    ours = [record for record in records if record.name.split(".")[0] in ("accounts", "usercache")]
    lines = [record.getMessage() for record in ours]
    assert "InvalidAudienceError" in " ".join(lines)
    assert not find(life.secrets, " ".join(lines))


@pytest.mark.redis
def test_redis(browser: Browser, redis_client: Redis, settings: Settings) -> None:
    """It has the limits' counts, and no word of the flow."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"provider": {"address": (100, 3600)}}
    life = Life(browser)
    keys = list(redis_client.scan_iter("*", _type="string"))
    text = repr([(key, redis_client.get(key)) for key in keys])
    assert ":limit:{provider}" in text
    assert not find(life.secrets, text)


def test_tables(life: Life) -> None:
    """Neither what redeems a code nor what a provider sent; a flow's id is hashed."""
    rows = list[Any]()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows += cursor.fetchall()
    assert "ada's number" in str(rows)
    assert not find(life.secrets, repr(rows))


KEPT = [{"access_token": secrets.token_hex(24)}]
"""What a process keeps, so that looking for it is shown to find something."""


def live(browser: Browser) -> list[str]:
    """Return what the provider has issued, and PKCE's secrets, backwards: no object has them so."""
    life = Life(browser)
    kept = {*browser.provider.issued, *life.verifiers}
    browser.provider.reset()
    return [secret[::-1] for secret in kept]


def read_memory() -> bytes:
    """Return every text and every bytes that an object of this process leads to."""
    gc.collect()
    found, seen, pending = dict[int, bytes](), set[int](), gc.get_objects()
    while pending:
        for held in gc.get_referents(pending.pop()):
            # Not isinstance(), which asks a weak proxy for what is gone.
            kind = type(held)
            if issubclass(kind, str):
                found[id(held)] = str(held).encode(errors="replace")
            elif issubclass(kind, bytes | bytearray):
                found[id(held)] = bytes(held)
            elif issubclass(kind, dict | tuple) and not gc.is_tracked(held) | (id(held) in seen):
                # Those of texts alone aren't among the collector's objects.
                seen.add(id(held))
                pending.append(held)
    return b"\0".join(found.values())


def test_memory(browser: Browser, provider: Provider) -> None:
    """After the requests, the process has none of the provider's tokens."""
    backwards = live(browser)
    memory = read_memory()
    assert KEPT[0]["access_token"].encode() in memory
    assert len(backwards) == 4 * 4
    assert not [secret for secret in backwards if secret[::-1].encode() in memory]
