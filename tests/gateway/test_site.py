"""The site's configuration of nginx, with TLS, in front of the product."""

import json
import ssl
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Final

import pytest
import trustme

from accounts.models import User
from tests.cast import token_of
from tests.e2e.web_server import WAIT_VARIABLES, WebServer
from tests.servers.nginx_server import NginxServer, read_published, upstream
from tests.servers.server import HOST, find_free_port

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

    def ask(self, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
        """Return what the site answers over TLS."""
        return _ask(
            HTTPSConnection(HOST, self.port, timeout=ANSWER_SECONDS, context=self._context),
            path,
            headers,
        )

    def ask_plainly(self, path: str) -> tuple[HTTPResponse, bytes]:
        """Return what it answers without TLS."""
        return _ask(HTTPConnection(HOST, self.plain_port, timeout=ANSWER_SECONDS), path, {})


def _ask(
    connection: HTTPConnection, path: str, headers: dict[str, str]
) -> tuple[HTTPResponse, bytes]:
    with closing(connection):
        connection.request("GET", path, headers={"Host": SITE} | headers)
        answer = connection.getresponse()
        return answer, answer.read()


@pytest.fixture
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """Run the product behind a proxy."""
    variables = WAIT_VARIABLES | {
        "ALLOWED_HOSTS": f"{SITE},{HOST}",
        "TRUST_X_FORWARDED_PROTO": "True",
        "NUM_PROXIES": "1",
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
    """The product knows that TLS ended before it; without TLS, a client is sent there."""
    answer, body = site.ask("/auth/profile", Authorization=f"Bearer {token_of(alice)}")
    assert answer.status == 200
    assert json.loads(body)["email"] == alice.email
    assert answer.getheader("Strict-Transport-Security")  # Django's, where TLS is in use alone
    answer, _ = site.ask_plainly("/auth/profile")
    assert answer.status == 301
    assert answer.getheader("Location") == f"https://{SITE}/auth/profile"


def test_pictures_are_served_by_nginx(site: Site) -> None:
    """For ever, since a new picture has a new name, and as nothing but a picture."""
    answer, body = site.ask("/media/me.jpg")
    assert (answer.status, body) == (200, PICTURE)
    assert "immutable" in answer.getheader("Cache-Control", "")
    assert answer.getheader("X-Content-Type-Options") == "nosniff"


def test_log_has_no_query(site: Site, tmp_path: Path) -> None:
    """Searches name people there."""
    site.ask("/users/search?q=rolle")
    log = (tmp_path / "hiremebahamas.log").read_text()
    assert "/users/search" in log
    assert "rolle" not in log


def test_application_that_restarts_is_a_503_in_json(site: Site, web_server: WebServer) -> None:
    """With a time to come back, instead of nginx's own page."""
    web_server.stop()
    answer, body = site.ask("/auth/verify")
    assert answer.status == 503
    assert json.loads(body)["code"] == "unavailable"
    assert answer.getheader("Retry-After") == "5"
