"""A provider that is away, hangs or sends what it likes costs a bounded time, and enters none."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from accounts.openid_connect import documents
from accounts.openid_connect.documents import DOCUMENTS, REFETCH_SECONDS
from accounts.openid_connect.errors import PAUSE_SECONDS
from accounts.openid_connect.fetching import MAX_BYTES
from accounts.openid_connect.models import UsedFlow
from tests.accounts.openid_connect.browser import Browser, code_of
from tests.accounts.openid_connect.provider import Provider, describe_to_us, sign
from tests.clocks import Clock

pytestmark = pytest.mark.django_db(transaction=True)

UNAVAILABLE = (503, "provider_unavailable")
DISCOVERY = "/.well-known/openid-configuration"
PATHS = (DISCOVERY, "/token", "/keys")
TIMEOUT_SECONDS = 0.5
AT_MOST_SECONDS = 5.0
"""Of a busy machine; far less than what the faults would take."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Let what is remembered of providers grow old only where a test says so."""
    clock = Clock(now=1_000_000)
    monkeypatch.setattr(DOCUMENTS, "_clock", clock)
    DOCUMENTS.clear()
    yield clock
    DOCUMENTS.clear()


def send(handler: Any, status: int, content: bytes, **headers: str) -> None:
    """Write an answer."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def hang(handler: Any, provider: Provider) -> None:
    """Say nothing until the test is over."""
    provider.released.wait(60)


def drip(handler: Any, provider: Provider) -> None:
    """Send a byte each tenth of a second: no single read waits for long."""
    handler.send_response(200)
    handler.end_headers()
    while not provider.released.wait(0.1):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def drip_headers(handler: Any, provider: Provider) -> None:
    """Do the same before the body."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not provider.released.wait(0.1):
        handler.wfile.write(b"x")
        handler.wfile.flush()


SLOW: dict[str, Callable[[Any, Provider], None]] = {
    "hangs": hang,
    "drips": drip,
    "drips headers": drip_headers,
}
BROKEN: dict[str, Callable[[Any], None]] = {
    "hangs up": lambda handler: handler.connection.close(),
    "sends too much": lambda handler: send(handler, 200, b'{"a": "' + b"x" * MAX_BYTES + b'"}'),
    "sends no JSON": lambda handler: send(handler, 200, b"<html>"),
    "sends a list": lambda handler: send(handler, 200, b"[]"),
    "sends what is nested too deeply": lambda handler: send(handler, 200, b'{"a":' + b"[" * 99_999),
    "sends no text": lambda handler: send(handler, 200, b'{"a": "\xff"}'),
}


def try_all(browser: Browser) -> Any:
    """Return the last answer, of a flow that goes as far as it can."""
    begun = browser.client.post(browser.path, {"provider": "conch"})
    if begun.status_code != 200:
        return begun
    return browser.complete(browser.go(begun.json()))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fault", SLOW.values(), ids=SLOW)
def test_slow(
    browser: Browser,
    provider: Provider,
    settings: Settings,
    path: str,
    fault: Callable[[Any, Provider], None],
) -> None:
    """503 with Retry-After within AUTH_OPENID_TIMEOUT_SECONDS, and then at once for a while."""
    settings.AUTH_OPENID_TIMEOUT_SECONDS = TIMEOUT_SECONDS
    provider.faults[path] = lambda handler: fault(handler, provider)
    start = time.monotonic()
    response = try_all(browser)
    assert code_of(response) == UNAVAILABLE
    assert response.headers["Retry-After"] == str(PAUSE_SECONDS)
    assert time.monotonic() - start < AT_MOST_SECONDS
    asked = len(provider.asked)
    DOCUMENTS._endpoints.clear()
    assert code_of(browser.client.post(browser.path, {"provider": "conch"})) == UNAVAILABLE
    assert len(provider.asked) == asked


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_broken(
    browser: Browser, provider: Provider, path: str, fault: Callable[[Any], None]
) -> None:
    """503, whatever it is."""
    provider.faults[path] = fault
    assert code_of(try_all(browser)) == UNAVAILABLE
    assert not User.objects.exists()


def test_size_is_bounded(
    browser: Browser, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """Though what is too much is only space, after a good document."""
    document = json.dumps(provider.describe()).encode()
    provider.faults[DISCOVERY] = lambda handler: send(handler, 200, document + b" " * MAX_BYTES)
    assert code_of(try_all(browser)) == UNAVAILABLE
    assert "the answer is too large" in caplog.text


def test_away(browser: Browser, settings: Settings) -> None:
    """503 where nobody listens."""
    settings.AUTH_OPENID_PROVIDERS = describe_to_us("http://127.0.0.1:1")
    assert code_of(try_all(browser)) == UNAVAILABLE


def test_flow_outlives_a_pause(browser: Browser, provider: Provider, clock: Clock) -> None:
    """A user whose provider is known to be away isn't sent there again, once it is back."""
    body, other = browser.go(browser.begin()), browser.go(browser.begin())
    provider.faults["/token"] = BROKEN["hangs up"]
    assert code_of(browser.complete(other)) == UNAVAILABLE
    provider.faults.clear()
    assert code_of(browser.complete(body)) == UNAVAILABLE
    assert UsedFlow.objects.count() == 1
    clock.now += PAUSE_SECONDS
    assert browser.complete(body).status_code == 200


def test_refused_codes_pause_nothing(browser: Browser, provider: Provider) -> None:
    """Else anybody with a bad code could keep others out."""
    provider.faults["/token"] = lambda handler: send(handler, 400, b"<html>Bad</html>")
    body = browser.go(browser.begin())
    assert code_of(browser.complete(body)) == (401, "provider_refused")
    provider.faults.clear()
    assert browser.sign_in().status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_redirects_are_not_followed(browser: Browser, provider: Provider, path: str) -> None:
    """A provider can't send us to a server of this network."""
    target = f"{provider.issuer}/elsewhere"
    provider.faults[path] = lambda handler: send(handler, 302, b"", Location=target)
    assert try_all(browser).status_code in (401, 503)
    assert "/elsewhere" not in provider.asked


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "http://127.0.0.1"},
        {"issuer": None},
        {"token_endpoint": "http://10.0.0.1/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": "http://metadata.internal/keys"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://user@example.com/"},
        {"authorization_endpoint": ["https://example.com/"]},
        {"token_endpoint": "https://example.com:x/"},
        {"token_endpoint": "https://example.com/\r\nHost: x"},
    ],
    ids=str,
)
def test_discovery(browser: Browser, provider: Provider, discovery: dict[str, Any]) -> None:
    """Only the issuer's own document is believed, and only HTTPS is asked."""
    provider.discovery = discovery
    assert code_of(browser.client.post(browser.path, {"provider": "conch"})) == UNAVAILABLE
    assert provider.asked == [DISCOVERY]


def test_http_is_for_development(browser: Browser, provider: Provider, settings: Settings) -> None:
    """In production not even this machine is asked without TLS."""
    settings.AUTH_OPENID_LOOPBACK = False
    assert code_of(browser.client.post(browser.path, {"provider": "conch"})) == UNAVAILABLE
    assert provider.asked == []


def test_documents_are_remembered(browser: Browser, provider: Provider, clock: Clock) -> None:
    """For an hour: of two log-ins the second asks for tokens alone."""
    browser.sign_in()
    assert provider.asked == [DISCOVERY, "/token", "/keys"]
    browser.sign_in()
    assert provider.asked[3:] == ["/token"]
    clock.now += documents.LIFETIME_SECONDS
    assert browser.sign_in().status_code == 200
    assert sorted(provider.asked[4:]) == sorted([DISCOVERY, "/token", "/keys"])


def test_new_keys(browser: Browser, provider: Provider, clock: Clock) -> None:
    """A key that isn't known is asked for, not more often than each half minute."""
    browser.sign_in()
    clock.now += REFETCH_SECONDS
    provider.keys = [provider.rsa, provider.other]
    provider.sign = lambda claims: sign(claims, provider.other)
    assert browser.sign_in().status_code == 200
    provider.sign = lambda claims: sign(claims, provider.ec, "ES256")
    for _ in range(3):
        assert code_of(browser.sign_in()) == (401, "provider_refused")
    assert provider.asked.count("/keys") == 2
    clock.now += REFETCH_SECONDS
    assert code_of(browser.sign_in()) == (401, "provider_refused")
    assert provider.asked.count("/keys") == 3
    provider.sign = provider.sign_well
    assert browser.sign_in().status_code == 200
