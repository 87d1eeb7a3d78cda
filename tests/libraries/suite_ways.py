"""Each way to be signed in: what a request costs, and who is refused at once."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple, cast

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.db import connection
from django.db.backends.utils import CursorWrapper
from pytest_django import Settings
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.settings import api_settings
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken

from tests.libraries import urls
from tests.usercache.l1 import bring_l1
from tests.waiting import WAIT_SECONDS
from usercache.auth import asgi
from usercache.auth.asgi_sockets import UNAUTHORIZED
from usercache.auth.authtoken import CachedTokenAuthentication
from usercache.auth.jwt import CachedJWTAuthentication
from usercache.auth.knox import CachedKnoxAuthentication
from usercache.auth.open_sockets import SOCKETS
from usercache.users import get_user_by_id, invalidate_user

# No types there.
ApplicationCommunicator: Any = import_module("asgiref.testing").ApplicationCommunicator
KNOX: Any = import_module("knox.models").AuthToken
TOKEN: Any = import_module("rest_framework.authtoken.models").Token

pytestmark = pytest.mark.django_db(transaction=True)

BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
Headers = list[tuple[bytes, bytes]]


class Way(NamedTuple):
    """A way to be signed in."""

    path: str
    """Of the view; `ws:` for a WebSocket."""
    sign_in: Callable[[User], Headers]
    queries: int = 0
    """That each request makes for the token itself."""


def by_access_token(user: User) -> Headers:
    return [(b"authorization", f"Bearer {AccessToken.for_user(user)}".encode())]


def by_authtoken(user: User) -> Headers:
    return [(b"authorization", f"Token {TOKEN.objects.create(user=user).key}".encode())]


def by_knox(user: User) -> Headers:
    _, token = KNOX.objects.create(user)
    return [(b"authorization", f"Token {token}".encode())]


def by_session(user: User) -> Headers:
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = BACKEND
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={session.session_key}".encode())]


WAYS: Final = {
    "simplejwt": Way("/jwt", by_access_token),
    "session": Way("/session", by_session),
    "authtoken": Way("/authtoken", by_authtoken, queries=1),
    "knox": Way("/knox", by_knox, queries=2),
    "async view": Way("/header", by_access_token),
    "ninja": Way("/ninja/sync", by_access_token),
    "async ninja": Way("/ninja/async", by_access_token),
    "WebSocket": Way("ws:token", by_access_token),
    "WebSocket with a session": Way("ws:session", by_session),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Give each way in turn."""
    return WAYS[request.param]


@pytest.fixture
def alice() -> User:
    """Alice, with Django's stock user."""
    return User.objects.create(username="alice", first_name="Alice", password="!unusable")


async def ask(path: str, headers: Headers) -> str | None:
    """Return the first name that the server answers with, None if the request was refused."""
    if path.startswith("ws:"):
        name = await _ask_socket(
            urls.session_socket if "session" in path else urls.token_socket, headers
        )
        return name or None
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"testserver"), *headers],
    }
    application = ApplicationCommunicator(get_asgi_application(), scope)
    await application.send_input({"type": "http.request", "body": b"", "more_body": False})
    start = await application.receive_output(WAIT_SECONDS)
    body = await application.receive_output(WAIT_SECONDS)
    await application.wait(WAIT_SECONDS)
    if start["status"] in (401, 403):
        return None
    assert start["status"] == 200, body
    return str(body["body"].decode().strip('"'))


async def _ask_socket(socket: Any, headers: Headers) -> str:
    scope = {"type": "websocket", "path": "/", "headers": headers}
    application = ApplicationCommunicator(socket, scope)
    assert await application.receive_output(WAIT_SECONDS) == {"type": "websocket.accept"}
    answer = await application.receive_output(WAIT_SECONDS)
    await application.wait(WAIT_SECONDS)
    return str(answer["text"])


def name_of(way: Way, headers: Headers) -> str | None:
    return async_to_sync(ask)(way.path, headers)


def asks_for_users(queries: list[str]) -> bool:
    return any(f'"{User._meta.db_table}"' in sql for sql in queries)


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep what any thread asks the database: an ASGI request has one of its own."""
    asked, execute = list[str](), CursorWrapper.execute

    def note(self: CursorWrapper, sql: Any, params: Any = None) -> Any:
        asked.append(str(sql))
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", note)
    return asked


def test_warm_request_makes_no_query_for_its_user(
    way: Way, alice: User, queries: list[str]
) -> None:
    """The first request loads the user; each other one makes the token's queries, and no more."""
    headers = way.sign_in(alice)
    assert name_of(way, headers) == "Alice"
    del queries[:]
    assert name_of(way, headers) == "Alice"
    assert len(queries) == way.queries
    assert not asks_for_users(queries)


@pytest.mark.parametrize(
    "change",
    [
        lambda user: User(pk=user.pk, is_active=False).save(update_fields=["is_active"]),
        lambda user: user.delete(),
    ],
    ids=["deactivated", "deleted"],
)
@pytest.mark.parametrize("is_warm", [True, False])
def test_user_is_refused_at_once(
    way: Way, alice: User, change: Callable[[User], object], is_warm: bool
) -> None:
    """A user who is deactivated or deleted is refused at the next request."""
    headers = way.sign_in(alice)
    if is_warm:
        assert name_of(way, headers) == "Alice"
    change(alice)
    assert name_of(way, headers) is None


def test_changed_user_is_seen_at_once(way: Way, alice: User) -> None:
    """And what a view reads is what was committed."""
    headers = way.sign_in(alice)
    assert name_of(way, headers) == "Alice"
    alice.first_name = "Alicia"
    alice.save()
    assert name_of(way, headers) == "Alicia"


@pytest.mark.parametrize("header", ["authorization", "cookie"])
@pytest.mark.parametrize(
    "value", ["", "x", "Bearer", "Bearer x y", "Bearer x", "Token x", "Token \xff", "sessionid=x"]
)
def test_forged_credentials(way: Way, header: str, value: str) -> None:
    """Nobody is let in by anything else."""
    assert name_of(way, [(header.encode(), value.encode("latin-1"))]) is None


def test_socket_of_channels_is_closed(alice: User) -> None:
    """Within a second of a deactivation; the consumer hears of it, and may clean up."""

    async def talk() -> Any:
        scope = {"type": "websocket", "path": "/", "headers": by_access_token(alice)}
        application = ApplicationCommunicator(urls.echo_socket, scope)
        await application.send_input({"type": "websocket.connect"})
        assert (await application.receive_output(WAIT_SECONDS))["type"] == "websocket.accept"
        await application.send_input({"type": "websocket.receive", "text": "Hello."})
        assert (await application.receive_output(WAIT_SECONDS))["text"] == "Hello."
        await User.objects.filter(pk=alice.pk).aupdate(is_active=False)
        await invalidate(alice.pk)
        answer = await application.receive_output(WAIT_SECONDS)
        await application.wait(WAIT_SECONDS)
        return answer

    invalidate = sync_to_async(invalidate_user)  # the stock user's update() announces nothing
    try:
        assert async_to_sync(talk)()["code"] == UNAUTHORIZED
        assert urls.Echo.ended == ["alice"]
    finally:
        SOCKETS.end()
        SOCKETS.reset()


def test_session_of_an_earlier_password(alice: User) -> None:
    """Is refused at once, over HTTP and a WebSocket."""
    ways = WAYS["session"], WAYS["WebSocket with a session"]
    headers = by_session(alice)
    assert [name_of(way, headers) for way in ways] == ["Alice", "Alice"]
    alice.set_password("conch-salad-at-noon")
    alice.save()
    assert [name_of(way, headers) for way in ways] == [None, None]


@pytest.mark.parametrize("name", ["authtoken", "knox"])
def test_deleted_token_is_refused_at_once(alice: User, name: str) -> None:
    """However it was deleted; the user stays cached."""
    way = WAYS[name]
    headers = way.sign_in(alice)
    assert name_of(way, headers) == "Alice"
    rows = TOKEN if name == "authtoken" else KNOX
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {rows._meta.db_table}")
    assert name_of(way, headers) is None


@pytest.mark.parametrize("name", ["authtoken", "knox", "simplejwt"])
def test_token_that_begins_as_a_valid_one(alice: User, name: str) -> None:
    """Each character counts: knox finds a token's row by the first fifteen."""
    way = WAYS[name]
    [(header, value)] = way.sign_in(alice)
    assert name_of(way, [(header, value)]) == "Alice"
    forged = value[:-8] + (b"00000000" if value[-8:] != b"00000000" else b"11111111")
    assert name_of(way, [(header, forged)]) is None


def test_knox_token_that_has_expired(alice: User) -> None:
    """It is refused and deleted, as by knox, and so are the user's others."""
    way = WAYS["knox"]
    expired, valid = way.sign_in(alice), way.sign_in(alice)
    rows = KNOX.objects
    first = rows.order_by("created").first()
    rows.filter(pk=first.pk).update(expiry="2026-01-01T00:00:00Z")
    assert name_of(way, expired) is None
    assert name_of(way, valid) == "Alice"
    assert rows.count() == 1
    expired = way.sign_in(alice)
    rows.order_by("-created").filter().update(expiry="2026-01-01T00:00:00Z")
    assert name_of(way, expired) is None
    assert rows.count() == 0


def test_token_model_that_leads_elsewhere(
    alice: User, monkeypatch: pytest.MonkeyPatch, queries: list[str]
) -> None:
    """A token whose user isn't AUTH_USER_MODEL's is found as by the library, with its join."""
    for module in ("authtoken", "knox"):
        monkeypatch.setattr(f"usercache.auth.{module}.leads_to_cached_users", lambda _: False)
    for name in ("authtoken", "knox"):
        headers = WAYS[name].sign_in(alice)
        del queries[:]
        assert name_of(WAYS[name], headers) == "Alice"
        assert asks_for_users(queries)


@pytest.mark.parametrize("kind", [CachedTokenAuthentication, CachedKnoxAuthentication])
def test_cache_that_is_off(alice: User, settings: Settings, queries: list[str], kind: Any) -> None:
    """A request makes the queries that it makes with the library's own class."""
    settings.USERCACHE_ENABLED = False
    if kind is CachedKnoxAuthentication:
        token: Any = KNOX.objects.create(alice)[1].encode()
    else:
        token = TOKEN.objects.create(user=alice).key
    counts = list[int]()
    for cls in (kind, kind.__base__):
        del queries[:]
        cls().authenticate_credentials(token)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_token_has_its_user(alice: User) -> None:
    """`request.auth.user` is the cached user, too, without a query."""
    key = TOKEN.objects.create(user=alice).key
    user, token = CachedTokenAuthentication().authenticate_credentials(key)
    assert token.user is user


ON_THE_LOOP: Final = ("async view", "async ninja", "WebSocket")


@pytest.mark.redis
@pytest.mark.parametrize("name", ON_THE_LOOP)
def test_user_in_process_memory_needs_no_thread(
    alice: User, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the client-side cache and a token seen before, the event loop does all of it."""
    way = WAYS[name]
    headers = way.sign_in(alice)
    bring_l1(alice.pk, lambda: name_of(way, headers))

    def refuse(*_args: object) -> Any:
        raise AssertionError("a thread")

    for module in ("usercache.auth.asgi", "usercache.users"):
        monkeypatch.setattr(f"{module}.sync_to_async", refuse)
    assert name_of(way, headers) == "Alice"


@pytest.mark.redis
def test_rule_that_needs_an_uncached_column(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked in a thread, where it may make its query."""
    headers = by_access_token(alice)
    bring_l1(alice.pk, lambda: get_user_by_id(alice.pk))
    rule = "rest_framework_simplejwt.settings.api_settings.USER_AUTHENTICATION_RULE"
    monkeypatch.setattr(rule, lambda user: user.last_name == "")
    for _ in range(2):
        assert name_of(WAYS["async view"], headers) == "Alice"
    monkeypatch.setattr(rule, lambda user: user.last_name == "Rolle")
    assert name_of(WAYS["async ninja"], headers) is None


class OnlyBob(CachedJWTAuthentication):
    """A project's own rule after ours."""

    def get_user(self, validated_token: Any) -> Any:
        user = super().get_user(validated_token)
        if user.username != "bob":
            raise AuthenticationFailed
        return user


class NoTokens(CachedJWTAuthentication):
    """A project's own check before ours."""

    def get_validated_token(self, raw_token: Any) -> Any:
        raise InvalidToken


class Staff(User):
    """The users of a class of authentication."""

    class Meta:
        proxy = True
        app_label = "auth"


class ForStaff(CachedJWTAuthentication):
    """simplejwt's hook for another model."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user_model = cast("Any", Staff)


@pytest.mark.redis
@pytest.mark.parametrize("kind", [OnlyBob, NoTokens, ForStaff])
def test_subclass_decides(
    alice: User, monkeypatch: pytest.MonkeyPatch, kind: type[CachedJWTAuthentication]
) -> None:
    """What a project's subclass overrides is asked, though token and user are in memory."""
    headers = by_access_token(alice)
    bring_l1(alice.pk, lambda: name_of(WAYS["async view"], headers))
    monkeypatch.setattr(api_settings, "DEFAULT_AUTHENTICATION_CLASSES", [kind])
    if kind is ForStaff:
        _, value = headers[0]
        user: Any = async_to_sync(asgi.authenticate)(value)
        assert type(user) is Staff
        return
    for name in ("async view", "ninja", "async ninja", "WebSocket"):
        assert name_of(WAYS[name], headers) is None


@pytest.mark.parametrize("header", [None, "", b"", "Basic x", "Token x"])
def test_header_without_a_token(header: bytes | str | None) -> None:
    """Is nobody's, and no error."""
    assert asyncio.run(asgi.authenticate(header)) is None
