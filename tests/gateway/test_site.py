"""The site's configuration of nginx, with TLS, in front of the product."""

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Final

import pytest
import trustme
from pytest_django import Settings

from accounts.models import User
from accounts.services.account import set_avatar
from hiremebahamas.https_only import CODE
from tests.cast import PASSWORD, token_of
from tests.e2e.web_server import WAIT_VARIABLES, WebServer
from tests.servers.nginx_server import NginxServer, read_published, upstream
from tests.servers.server import HOST, find_free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.nginx, pytest.mark.redis, pytest.mark.django_db(transaction=True)]

SITE: Final = "www.example.com"
ANSWER_SECONDS: Final = 60
PICTURE: Final = b"a picture"


class Site:
    """nginx's two ports, and how to ask there."""

    def __init__(self, authority: trustme.CA, port: int, plain_port: int) -> None:
        self.port = port
        self.plain_port = plain_port
        self._context = ssl.create_default_context()
        authority.configure_trust(self._context)
        self._context.check_hostname = False  # we come by an address

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """Return what the site answers over TLS."""
        connection = HTTPSConnection(HOST, self.port, timeout=ANSWER_SECONDS, context=self._context)
        return _ask(connection, path, headers, method, body)

    def ask_plainly(self, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
        """Return what it answers without TLS."""
        return _ask(HTTPConnection(HOST, self.plain_port, timeout=ANSWER_SECONDS), path, headers)

    def send(self, request: bytes) -> bytes:
        """Return all that it answers to these bytes, over TLS, until it closes the connection."""
        with (
            socket.create_connection((HOST, self.port), ANSWER_SECONDS) as plain,
            self._context.wrap_socket(plain, server_hostname=SITE) as connection,
        ):
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def _ask(
    connection: HTTPConnection,
    path: str,
    headers: dict[str, str],
    method: str = "GET",
    body: str | None = None,
) -> tuple[HTTPResponse, bytes]:
    with closing(connection):
        kind = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body, {"Host": SITE} | kind | headers)
        answer = connection.getresponse()
        return answer, answer.read()


@pytest.fixture
def web_server(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[WebServer]:
    """Run the product behind a proxy that serves its pictures."""
    variables = WAIT_VARIABLES | {
        "ALLOWED_HOSTS": f"{SITE},{HOST}",
        "TRUST_X_FORWARDED_PROTO": "True",
        "NUM_PROXIES": "1",
        "MEDIA_ROOT": str(tmp_path / "media"),
    }
    with WebServer(tmp_path_factory.mktemp("web"), variables=variables) as server:
        yield server


@pytest.fixture
def site(web_server: WebServer, tmp_path: Path) -> Iterator[Site]:
    """Run nginx in front of it."""
    authority = trustme.CA()
    certificate = authority.issue_cert(SITE)
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "fullchain.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "privkey.pem")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "me.jpg").write_bytes(PICTURE)
    plain_port = find_free_port()
    published = read_published(
        "hiremebahamas.conf",
        {
            "listen 80;": f"listen {HOST}:{plain_port};",
            "listen 443 ssl http2;": f"listen {HOST}:PORT ssl http2;",
            "/var/log/nginx/": f"{tmp_path}/",
            "/etc/ssl/hiremebahamas/": f"{tmp_path}/",
            "/var/lib/hiremebahamas/media/": f"{tmp_path}/media/",
        },
    )
    application = upstream(f"{HOST}:{web_server.port}")
    with NginxServer(tmp_path, application, published, scheme="https") as server:
        yield Site(authority, server.port, plain_port)


def test_site_answers_over_tls_alone(site: Site, alice: User) -> None:
    """The product knows that TLS ended before it; without, pages lead there, and no program.

    Wherever a client says that it wants to be led.
    """
    answer, body = site.ask("/auth/profile", Authorization=f"Bearer {token_of(alice)}")
    assert answer.status == 200
    assert json.loads(body)["email"] == alice.email
    assert answer.getheader("Strict-Transport-Security")  # Django's, where TLS is in use alone
    for path in ("/", "/admin/", "/api/docs"):
        answer, _ = site.ask_plainly(path, Host="evil.example")
        assert (answer.status, answer.getheader("Location")) == (301, f"https://{SITE}{path}")
    answer, body = site.ask_plainly("/auth/profile")
    assert (answer.status, json.loads(body)["code"]) == (403, CODE)
    assert answer.getheader("Content-Type") == "application/json"


def test_pictures_are_served_by_nginx(site: Site) -> None:
    """As nothing but a picture, to be kept by browsers and by no proxy."""
    answer, body = site.ask("/media/me.jpg")
    assert (answer.status, body) == (200, PICTURE)
    assert answer.getheader("Cache-Control") == "private, max-age=86400, immutable"
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Content-Disposition") == 'inline; filename="picture.webp"'


LENGTHS: Final = {
    "both": b"Content-Length: 4\r\nTransfer-Encoding: chunked",
    "both, the other way round": b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 60",
    "a list": b"Content-Length: 0, 60",
    "a sign": b"Content-Length: +0",
    "a blank": b"Content-Length : 0",
    "an unknown coding": b"Transfer-Encoding: xchunked",
    "chunked, but not at the end": b"Transfer-Encoding: chunked, identity",
}
SMUGGLED: Final = b"0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: www.example.com\r\n\r\n"


def test_message_ends_in_one_place(site: Site, web_server: WebServer) -> None:
    """Or what one client appends to a body would be the beginning of another client's request.

    nginx refuses each, so that the server behind it has nothing to read otherwise.
    """
    site.ask("/health/live", **{"User-Agent": "first"})
    for name, length in LENGTHS.items():
        head = b"POST /auth/login HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: smuggler\r\n"
        answer = site.send(head + length + b"\r\n\r\n" + SMUGGLED)
        assert re.findall(rb"^HTTP/1.1 \d+", answer, re.MULTILINE) in (
            [b"HTTP/1.1 400"],
            [b"HTTP/1.1 501"],
        ), name
    site.ask("/health/live", **{"User-Agent": "last"})
    wait_until(lambda: web_server.who_answered("last"), "the last is logged")
    assert not web_server.who_answered("smuggler")


def test_picture_of_a_closed_account_is_not_served(
    site: Site, alice: User, settings: Settings, tmp_path: Path
) -> None:
    """By the file that nginx serves: there with the account, and gone with the answer."""
    settings.MEDIA_ROOT = tmp_path / "media"
    url = set_avatar(user_id=alice.pk, content=PICTURE).avatar_url
    assert site.ask(url)[1] == PICTURE
    token = f"Bearer {token_of(alice)}"
    body = json.dumps({"password": PASSWORD})
    answer, _ = site.ask("/auth/account", "DELETE", body, Authorization=token)
    assert answer.status == 204
    assert site.ask(url)[0].status == 404


def test_log_has_no_query(site: Site, tmp_path: Path) -> None:
    """Searches name people there."""
    site.ask("/users/search?q=rolle")
    log = tmp_path / "hiremebahamas.log"
    # nginx writes it after the answer.
    wait_until(lambda: "/users/search" in log.read_text(), "the request is logged")
    assert "rolle" not in log.read_text()


def test_application_that_restarts_is_a_503_in_json(site: Site, web_server: WebServer) -> None:
    """With a time to come back, instead of nginx's own page."""
    web_server.stop()
    answer, body = site.ask("/auth/verify")
    assert answer.status == 503
    assert json.loads(body)["code"] == "unavailable"
    assert answer.getheader("Retry-After") == "5"
    for name in ("Strict-Transport-Security", "X-Content-Type-Options", "Content-Security-Policy"):
        assert answer.getheader(name)
