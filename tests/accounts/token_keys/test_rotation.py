"""One key replaces another: no token is refused before its key is gone, and each one then."""

import uuid
from datetime import timedelta
from itertools import product
from typing import Any

import jwt
import pytest
from pytest_django import Settings
from rest_framework_simplejwt.exceptions import ExpiredTokenError, InvalidToken
from rest_framework_simplejwt.tokens import AccessToken as PlainToken

from accounts.errors import InvalidRefreshToken
from accounts.models import LoginSession, User
from accounts.services.sessions import refresh_session, start_session
from accounts.tokens.claims import AccessToken, read_refresh_token
from tests.accounts.token_keys.conftest import UseKeys
from tests.accounts.token_keys.made import ALGORITHMS, KINDS, public_text_of, text_of
from tests.cast import client_of, token_of
from usercache.auth.forward import PATH, ForwardAuth
from usercache.auth.jwt import CachedJWTAuthentication
from usercache.auth.verified_tokens import get_verified_tokens


def mint() -> bytes:
    return AccessToken.mint(user_id=7, token_version=1, session_id=uuid.uuid4()).encode()


def verify(raw_token: bytes) -> Any:
    """Verify a token as a process does that has never seen it."""
    get_verified_tokens.cache_clear()
    return CachedJWTAuthentication().get_validated_token(raw_token)


@pytest.mark.parametrize(("old", "new"), list(product(KINDS, KINDS)))
def test_no_token_is_refused_on_the_way(use_keys: UseKeys, old: str, new: str) -> None:
    """From each kind to each: verify the new key, sign with it, drop the old one."""
    first, second = text_of(old, 1), text_of(new, 2)
    use_keys(first)
    before = mint()
    use_keys(first, public_text_of(new, 2))
    assert verify(before)
    between = mint()
    use_keys(second, public_text_of(old, 1))
    after = mint()
    assert jwt.get_unverified_header(after)["alg"] == ALGORITHMS[new]
    assert verify(before)
    assert verify(between)
    use_keys(first, public_text_of(new, 2))  # a server that wasn't restarted yet
    assert verify(after)
    use_keys(second)
    assert verify(after)
    for raw_token in (before, between):
        with pytest.raises(InvalidToken):
            verify(raw_token)


def test_token_names_its_key(use_keys: UseKeys) -> None:
    """The one that signs, of access and refresh tokens and of simplejwt's own classes."""
    ring = use_keys(text_of("ed25519"), text_of("secret"))
    for token in (mint(), str(PlainToken())):
        assert jwt.get_unverified_header(token)["kid"] == ring.key_ids[0]


def test_remembered_tokens_end_with_their_key(use_keys: UseKeys) -> None:
    """In a process that has verified them, too; those of the other key go on."""
    use_keys(text_of("ed25519", 1))
    old = mint()
    use_keys(text_of("ed25519", 2), public_text_of("ed25519", 1))
    new, authentication = mint(), CachedJWTAuthentication()
    for raw_token in (old, new):
        authentication.get_validated_token(raw_token)
        assert get_verified_tokens().recall(raw_token) is not None
    use_keys(text_of("ed25519", 2))
    with pytest.raises(InvalidToken):
        authentication.get_validated_token(old)
    assert authentication.get_validated_token(new)["user_id"] == 7


@pytest.mark.parametrize("kind", KINDS)
def test_token_of_the_time_before_key_ids(use_keys: UseKeys, kind: str) -> None:
    """It is verified with each key; an expired one is told from a forged one."""
    use_keys(text_of("secret", 2), text_of("rsa", 2), text_of(kind))
    token = AccessToken()
    token["user_id"] = 7
    key, algorithm = text_of(kind), ALGORITHMS[kind]
    assert verify(jwt.encode(token.payload, key, algorithm).encode())["user_id"] == 7
    token.set_exp(lifetime=-timedelta(minutes=1))
    with pytest.raises(ExpiredTokenError):
        AccessToken(jwt.encode(token.payload, key, algorithm))  # type: ignore[arg-type]
    with pytest.raises(ExpiredTokenError):
        AccessToken(str(token))  # type: ignore[arg-type]  # annotated as if it were decoded


@pytest.mark.django_db
def test_two_tabs_at_servers_with_different_keys(use_keys: UseKeys, alice: User) -> None:
    """A refresh token used at both leads to the same session and successor, and to no alarm."""
    old, new = text_of("secret", 1), text_of("rsa", 2)
    use_keys(old, new)
    first = start_session(user=alice).refresh_token
    here = refresh_session(refresh_token=first).refresh_token
    use_keys(new, old)
    there = refresh_session(refresh_token=first).refresh_token
    assert read_refresh_token(here) == read_refresh_token(there)
    assert refresh_session(refresh_token=here).refresh_token != here
    assert LoginSession.objects.get().user == alice
    use_keys(text_of("rsa", 3))
    with pytest.raises(InvalidRefreshToken):
        read_refresh_token(there)


@pytest.mark.django_db(transaction=True)
def test_every_door_follows(use_keys: UseKeys, alice: User, settings: Settings) -> None:
    """The API, log-out, and what a gateway is told."""
    settings.USERCACHE_FORWARD_SIGNING_KEY = "f" * 32
    settings.USERCACHE_FORWARD_FIELDS = ()
    statuses: list[str] = []
    gateway: Any = ForwardAuth(lambda *_: [], clock=lambda: 0)

    def ask_gateway(token: str) -> str:
        request = {"PATH_INFO": PATH, "HTTP_AUTHORIZATION": f"Bearer {token}"}
        gateway(request, lambda status, _headers: statuses.append(status[:3]))
        return statuses[-1]

    use_keys(text_of("secret"))
    client, token = client_of(alice), token_of(alice)
    refresh_token = start_session(user=alice).refresh_token
    use_keys(text_of("p256"), text_of("secret"))
    assert client.get("/auth/verify").status_code == 200
    assert ask_gateway(token) == "200"
    use_keys(text_of("p256"))
    assert client.get("/auth/verify").status_code == 401
    assert ask_gateway(token) == "401"
    for path in ("/auth/refresh", "/auth/logout"):
        assert client.post(path, {"refresh_token": refresh_token}).status_code == 401
    assert client_of(alice).get("/auth/verify").status_code == 200
