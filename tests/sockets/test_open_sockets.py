"""WebSockets that stay open are closed everywhere, once a request of theirs would be refused."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from django.db import connection

from accounts.api_keys.models import Scope
from accounts.api_keys.services import create_key, revoke_key
from accounts.models import User
from accounts.services.sessions import log_out, start_session
from tests.cast import PROOF, token_of
from tests.e2e.web_server import WAIT_VARIABLES
from tests.fleet.processes import Relay
from tests.processes import environment
from tests.servers.redis_server import RedisServer
from tests.sockets.server import SocketServer
from tests.sockets.web_socket import WebSocket
from tests.waiting import wait_until
from usercache.auth.asgi_sockets import UNAUTHORIZED

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

SOCKETS_EACH: Final = 8
"""Enough that both processes have some."""
Credentials = tuple[str, Callable[[], object]]
"""The header, and what ends it."""


@pytest.fixture(scope="module")
def socket_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SocketServer]:
    """Run the documentation's WebSockets in two processes."""
    folder = tmp_path_factory.mktemp("sockets")
    with SocketServer(folder, variables=WAIT_VARIABLES) as server:
        yield server


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """Run the relay, which tells Redis of changes by SQL."""
    with Relay(tmp_path, environment()) as relay:
        yield relay


def logged_out(user: User) -> Credentials:
    tokens = start_session(user=user)
    return f"Bearer {tokens.access_token}", lambda: log_out(refresh_token=tokens.refresh_token)


def with_revoked_key(user: User) -> Credentials:
    row, key = create_key(
        user_id=user.pk, proof=PROOF, name="Feed", scope=Scope.READ, expires_in_days=1
    )
    return f"Api-Key {key}", lambda: revoke_key(user_id=user.pk, key_id=row.pk)


def deactivated(user: User) -> Credentials:
    def deactivate() -> None:
        user.is_active = False
        user.save()

    return f"Bearer {token_of(user)}", deactivate


def deactivated_by_sql(user: User) -> Credentials:
    def deactivate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE users SET is_active = false WHERE id = %s", [user.pk])

    return f"Bearer {token_of(user)}", deactivate


def open_sockets(stack: ExitStack, server: SocketServer, header: str) -> list[WebSocket]:
    """Open some, and wait until each is served."""
    sockets = [stack.enter_context(WebSocket(server.port, header)) for _ in range(SOCKETS_EACH)]
    for socket in sockets:
        assert echo(socket)
    return sockets


def echo(socket: WebSocket) -> bool:
    """Return whether it still answers."""
    text = str(uuid4())
    socket.send(text)
    return socket.receive() == text


@pytest.mark.parametrize(
    "end",
    [
        logged_out,
        *(pytest.param(end, marks=pytest.mark.long) for end in (with_revoked_key, deactivated)),
    ],
)
def test_sockets_are_closed_everywhere(
    socket_server: SocketServer, alice: User, bob: User, end: Callable[[User], Credentials]
) -> None:
    """Those of what was ended, in each process; the user's other session, and others', stay."""
    header, end_it = end(alice)
    with ExitStack() as stack:
        ended = open_sockets(stack, socket_server, header)
        others = [f"Bearer {token_of(bob)}"]
        if end in (logged_out, with_revoked_key):
            others.append(f"Bearer {token_of(alice)}")
        kept = [it for other in others for it in open_sockets(stack, socket_server, other)]
        end_it()
        assert [socket.receive() for socket in ended] == [UNAUTHORIZED] * SOCKETS_EACH
        assert all(map(echo, kept))
    with pytest.raises(ConnectionRefusedError):
        WebSocket(socket_server.port, header)


@pytest.mark.long
@pytest.mark.usefixtures("relay")
def test_change_by_sql(socket_server: SocketServer, alice: User, bob: User) -> None:
    """The relay tells Redis of it, and Redis each process."""
    test_sockets_are_closed_everywhere(socket_server, alice, bob, deactivated_by_sql)


def test_nobody_is_let_in_without_credentials(socket_server: SocketServer) -> None:
    """Nor with those of nobody."""
    for header in ("", "Bearer x", "Api-Key x"):
        with pytest.raises(ConnectionRefusedError):
            WebSocket(socket_server.port, header)


@pytest.mark.long
def test_redis_away(alice: User, bob: User, tmp_path: Path) -> None:
    """PostgreSQL reports the change instead, and nobody else loses a socket by the outage."""
    for name in ("redis", "web"):
        (tmp_path / name).mkdir()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(tmp_path / "redis"))
        variables = {"REDIS_URL": redis.url}
        server = stack.enter_context(SocketServer(tmp_path / "web", variables=variables))
        ended = open_sockets(stack, server, f"Bearer {token_of(alice)}")
        kept = open_sockets(stack, server, f"Bearer {token_of(bob)}")
        redis.kill()
        wait_until(lambda: "Redis failed" in server.read_log(), "the server has noticed")
        assert all(map(echo, ended))
        _, deactivate = deactivated_by_sql(alice)
        deactivate()
        assert [socket.receive() for socket in ended] == [UNAUTHORIZED] * SOCKETS_EACH
        assert all(map(echo, kept))
