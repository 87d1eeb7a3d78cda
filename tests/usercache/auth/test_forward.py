"""What a gateway is told of a request's user, in front of Django."""

import io
from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework_simplejwt.tokens import AccessToken

from tests.counting import CountCommands
from tests.users import User
from usercache.auth.forward import PATH, ForwardAuth, sign

pytestmark = pytest.mark.django_db(transaction=True)

KEY: Final = "k" * 32
NOW: Final = 1_790_000_000
HANDED_ON: Final = b"handed on"


@pytest.fixture(autouse=True)
def _forwarding(settings: Settings) -> None:
    settings.USERCACHE_FORWARD_SIGNING_KEY = KEY
    settings.USERCACHE_FORWARD_FIELDS = ("is_admin", "first_name")


def mint(user: User, **claims: object) -> str:
    token = AccessToken()
    token["user_id"] = user.pk
    token["token_version"] = user.token_version
    for name, value in claims.items():
        token[name] = value
    return str(token)


def hand_on(_environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [HANDED_ON]


def ask(
    token: str = "", path: str = PATH, query: str = "", **environ: str
) -> tuple[str, dict[str, str], bytes]:
    """Return the status, the headers and the body."""
    answers: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: Any, *rest: object) -> Callable[[bytes], object]:
        answers.append((status, dict(headers)))
        return io.BytesIO().write

    request = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query} | environ
    if token:
        request["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    application: Any = ForwardAuth(hand_on, clock=lambda: NOW)
    body = b"".join(application(request, start_response))
    return *answers[0], body


def test_user_of_a_token_is_told(alice: User) -> None:
    """Their key, the columns of the settings, and a signature over both; nothing in the body."""
    status, headers, body = ask(mint(alice))
    told = {
        "X-User-Id": str(alice.pk),
        "X-User-Version": "1",
        "X-User-Is-Admin": "False",
        "X-User-First-Name": "Alice",
    }
    assert status == "200 OK"
    assert headers == {
        "Cache-Control": "no-store",
        "Content-Type": "application/json",
        **told,
        "X-User-Signature": sign(told, KEY, NOW),
    }
    assert body == b""


@pytest.mark.postgresql
def test_caller_never_gets_an_older_user_than_they_have_seen(alice: User) -> None:
    """The version they name is loaded past a cached record; one the database lacks is a 503."""
    token = mint(alice)
    assert ask(token)[1]["X-User-Version"] == "1"
    with connection.cursor() as cursor:  # the cache isn't told
        cursor.execute("UPDATE users SET first_name = 'Alicia' WHERE id = %s", [alice.pk])
    assert ask(token)[1]["X-User-First-Name"] == "Alice"
    _, headers, _ = ask(token, HTTP_X_USER_VERSION="2")
    assert (headers["X-User-Version"], headers["X-User-First-Name"]) == ("2", "Alicia")
    status, headers, body = ask(token, HTTP_X_USER_VERSION="3")
    assert status == "503 Service Unavailable"
    assert headers["Retry-After"] == "1"
    assert b"version_not_found" in body


def test_version_that_is_no_number_is_refused(alice: User) -> None:
    """As a bad request, which costs nothing."""
    status, _, body = ask(mint(alice), HTTP_X_USER_VERSION="seven")
    assert status == "400 Bad Request"
    assert b"invalid_version" in body


def test_signature_holds_every_header() -> None:
    """Another value, name, time or key is another signature; the order of the headers isn't."""
    told = {"X-User-Id": "7", "X-User-Is-Admin": "False"}
    signature = sign(told, KEY, NOW)
    assert signature == sign(dict(reversed(told.items())), KEY, NOW)
    assert signature.startswith(f"t={NOW},v1=")
    others = [
        sign(told | {"X-User-Is-Admin": "True"}, KEY, NOW),
        sign({"X-User-Id": "7"}, KEY, NOW),
        sign(told, KEY, NOW + 1),
        sign(told, "o" * 32, NOW),
    ]
    assert signature not in others


def test_value_cannot_break_out_of_its_header(alice: User) -> None:
    """Line ends, letters beyond ASCII and all else are percent-encoded."""
    alice.first_name = "Ålice\r\nX-User-Id: 1"
    alice.save()
    _, headers, _ = ask(mint(alice))
    assert headers["X-User-First-Name"] == "%C3%85lice%0D%0AX-User-Id%3A%201"


def test_warm_answer_makes_no_query(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """After the first, the user comes from the cache."""
    token = mint(alice)
    with django_assert_num_queries(1):
        ask(token)
    with django_assert_num_queries(0):
        assert ask(token)[0] == "200 OK"


@pytest.mark.redis
def test_warm_answer_is_one_cache_operation(alice: User, count_commands: CountCommands) -> None:
    """One GET, as in a view."""
    token = mint(alice)
    ask(token)
    with count_commands() as commands:
        ask(token)
    assert commands == {"get": 1}


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda _, __: "", "not_authenticated"),
        (lambda _, __: "nonsense", "token_not_valid"),
        (lambda _, token: token[:-3], "token_not_valid"),
        (lambda user, _: mint(user, token_version=user.token_version + 1), "token_revoked"),
        (lambda user, _: mint(user, exp=NOW - 10**9), "token_not_valid"),
        (lambda user, _: mint(user, exp="soon"), "token_not_valid"),
        (lambda user, _: mint(user, user_id="nobody"), "user_not_found"),
        (lambda _, token: f"{token} {token}", "bad_authorization_header"),
        (lambda _, __: "\xff\xfe", "token_not_valid"),
    ],
)
def test_token_that_is_none(alice: User, spoil: Callable[[User, str], str], code: str) -> None:
    """401 with a challenge, a code, and no word of any user."""
    status, headers, body = ask(spoil(alice, mint(alice)))
    assert status == "401 Unauthorized"
    assert headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert f'"code": "{code}"'.encode() in body
    assert not any(name.startswith("X-User-") for name in headers)


def test_deactivated_user_is_refused_at_once(alice: User) -> None:
    """At the next request, warm."""
    token = mint(alice)
    assert ask(token)[0] == "200 OK"
    alice.is_active = False
    alice.save()
    status, _, body = ask(token)
    assert status == "401 Unauthorized"
    assert b"user_inactive" in body


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", "200 OK"),
        ("permission=accounts.view_user", "403 Forbidden"),
        ("permission=accounts.view_user&permission=", "403 Forbidden"),
        ("other=1", "200 OK"),
    ],
)
def test_permission_that_is_wanted(alice: User, query: str, status: str) -> None:
    """Who lacks one of them is refused, whatever else the query says."""
    assert ask(mint(alice), query=query)[0] == status
    alice.is_superuser = True
    alice.save()
    assert ask(mint(alice), query=query)[0] == "200 OK"


def test_database_that_is_away(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cached users are told; for the others it is 503, and when to come back."""
    token = mint(alice)

    def fail(*_args: object) -> None:
        raise OperationalError

    monkeypatch.setattr("usercache.orm.loading.load", fail)
    status, headers, body = ask(token)
    assert status == "503 Service Unavailable"
    assert headers["Retry-After"] == "1"
    assert b"database_unavailable" in body
    monkeypatch.undo()
    ask(token)


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        (PATH, True),
        (f"{PATH}/jobs/7", True),
        (f"{PATH}ed", False),
        ("/auth/verify", False),
        ("/", False),
    ],
)
def test_other_paths_are_handed_on(path: str, is_ours: bool) -> None:
    """Only the path itself is answered, and what Envoy appends to it."""
    _, _, body = ask(path=path)
    assert (body != HANDED_ON) == is_ours


def test_it_needs_a_key(settings: Settings) -> None:
    """Without one nothing could be told from a client's own headers."""
    settings.USERCACHE_FORWARD_SIGNING_KEY = ""
    with pytest.raises(ImproperlyConfigured, match="USERCACHE_FORWARD_SIGNING_KEY"):
        ForwardAuth(hand_on)
