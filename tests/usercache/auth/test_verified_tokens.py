"""Verified tokens are remembered: by digest, until they expire or the keys change, and bounded."""

import os
import uuid
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework_simplejwt import state
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken as PlainToken
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import aware_utcnow

from accounts.tokens.claims import AccessToken
from tests.clocks import Clock
from tests.usercache.forks import fork
from usercache.auth.jwt import CachedJWTAuthentication
from usercache.auth.verified_tokens import VerifiedTokens, get_verified_tokens

LIFETIME_SECONDS = 900


@pytest.fixture
def clock() -> Clock:
    return Clock(now=aware_utcnow().timestamp())


@pytest.fixture
def tokens(clock: Clock) -> VerifiedTokens:
    return VerifiedTokens(2, clock=clock)


def mint(user_id: int = 7) -> bytes:
    return AccessToken.mint(user_id=user_id, token_version=1, session_id=uuid.uuid4()).encode()


def remember(tokens: VerifiedTokens, raw: bytes) -> None:
    tokens.remember(raw, AccessToken(raw))  # type: ignore[arg-type]  # annotated as if decoded


def test_recalled_token_is_as_verified(tokens: VerifiedTokens) -> None:
    """It has the class, the claims and the text of one that was verified just now."""
    raw = mint()
    assert tokens.recall(raw) is None
    remember(tokens, raw)
    recalled = tokens.recall(raw)
    assert isinstance(recalled, AccessToken)
    assert recalled.payload == AccessToken(raw).payload  # type: ignore[arg-type]
    assert recalled.current_time.tzinfo is not None
    assert vars(recalled)["token"] == raw


def test_setting_is_followed(settings: Settings) -> None:
    """A change of it forgets them; one of another setting doesn't."""
    tokens = get_verified_tokens()
    settings.LANGUAGE_CODE = "de"
    assert get_verified_tokens() is tokens
    settings.USERCACHE_TOKENS_MAX_ENTRIES = 1
    assert get_verified_tokens() is not tokens
    for user_id in (7, 8):
        remember(get_verified_tokens(), mint(user_id))
    assert len(get_verified_tokens()) == 1


def test_claims_are_the_callers_own(tokens: VerifiedTokens) -> None:
    """What a view does to its token, nobody else sees."""
    raw = mint()
    remember(tokens, raw)
    first = tokens.recall(raw)
    assert first is not None
    first["user_id"] = 8
    second = tokens.recall(raw)
    assert second is not None
    assert second["user_id"] == 7


@pytest.mark.parametrize("leeway", [0, 10])
def test_expired_token_is_verified_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, leeway: int
) -> None:
    """From the second of its expiry on, and the leeway for clocks, it is as if never seen."""
    monkeypatch.setattr(state.token_backend, "leeway", leeway)
    tokens = VerifiedTokens(2, clock=clock)
    raw = mint()
    remember(tokens, raw)
    expiry = AccessToken(raw)["exp"]  # type: ignore[arg-type]
    clock.now = expiry + leeway - 0.001
    assert tokens.recall(raw) is not None
    clock.now = expiry + leeway
    assert tokens.recall(raw) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("algorithm", "HS512"),
        ("signing_key", "another" * 8),
        ("verifying_key", "another" * 8),
        ("audience", "others"),
        ("issuer", "others"),
        ("leeway", 1),
    ],
)
def test_new_rules_end_all(
    tokens: VerifiedTokens, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    """Under another key or claim nothing that was verified by the old ones is believed."""
    raw = mint()
    remember(tokens, raw)
    monkeypatch.setattr(state.token_backend, name, value)
    assert tokens.recall(raw) is None
    monkeypatch.undo()
    assert tokens.recall(raw) is None
    assert len(tokens) == 0


def test_tokens_are_remembered_by_the_new_rules(
    tokens: VerifiedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the rules have changed once, memory works again."""
    raw = mint()
    monkeypatch.setattr(state.token_backend, "leeway", 1)
    assert tokens.recall(raw) is None
    remember(tokens, raw)
    assert tokens.recall(raw) is not None


def test_forked_child_has_a_lock_of_its_own() -> None:
    """One that another thread of the parent held at the fork is never released in the child."""
    raw = mint()
    with get_verified_tokens()._lock:
        child = fork(lambda: remember(get_verified_tokens(), raw))
    assert os.waitpid(child, 0)[1] == 0


class OfAnotherBackend(PlainToken):
    """A token with keys of its own, by simplejwt's private name for them."""

    _token_backend = TokenBackend("HS256", "another" * 8)


def test_token_itself_is_not_kept(tokens: VerifiedTokens) -> None:
    """Only its digest and what it says."""
    raw = mint()
    remember(tokens, raw)
    assert raw.decode() not in repr(tokens._entries)
    assert raw not in tokens._entries


def test_least_recently_used_goes_first(tokens: VerifiedTokens) -> None:
    """The memory is bounded."""
    first, second, third = mint(1), mint(2), mint(3)
    remember(tokens, first)
    remember(tokens, second)
    assert tokens.recall(first)
    remember(tokens, third)
    assert [bool(tokens.recall(raw)) for raw in (first, second, third)] == [True, False, True]


def test_memory_can_be_switched_off(clock: Clock) -> None:
    """With a bound of 0 every token is verified each time."""
    tokens = VerifiedTokens(0, clock=clock)
    raw = mint()
    remember(tokens, raw)
    assert tokens.recall(raw) is None


class Blacklisting(PlainToken):
    """A token that may be refused tomorrow."""

    def verify(self) -> None:
        super().verify()


class Elsewhere(PlainToken):
    """A token with keys of its own."""

    def get_token_backend(self) -> TokenBackend:
        return state.token_backend


class Signed(PlainToken):
    """A token with keys of its own, by simplejwt's present door for them."""

    @property
    def token_backend(self) -> TokenBackend:
        return state.token_backend


@pytest.mark.parametrize("token_class", [Blacklisting, Elsewhere, Signed, OfAnotherBackend])
def test_class_with_rules_of_its_own_is_not_remembered(
    tokens: VerifiedTokens, token_class: type[Token]
) -> None:
    """What else a class looks at may change, so it is asked each time."""
    tokens.remember(b"raw", token_class())
    assert len(tokens) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token.payload.update(roles=["admin"]),
        lambda token: token.payload.update(exp="never"),
        lambda token: token.payload.update(exp=float("nan")),
        lambda token: token.payload.pop("exp"),
    ],
    ids=["mutable claim", "odd expiry", "not a number", "no expiry"],
)
def test_odd_claims_are_not_remembered(tokens: VerifiedTokens, change: Any) -> None:
    """A claim that a view could change for others, or an expiry that can't be compared."""
    token = PlainToken()
    change(token)
    tokens.remember(b"raw", token)
    assert len(tokens) == 0


def test_keys_that_others_change_are_not_relied_on(
    tokens: VerifiedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With JWKS, a key may be withdrawn while a token signed with it lives."""
    monkeypatch.setattr(state.token_backend, "jwks_client", object())
    remember(tokens, mint())
    assert len(tokens) == 0


def test_refused_token_is_not_remembered() -> None:
    """A forged, an expired and a foreign token are refused the second time, too."""
    expired = AccessToken()
    expired.set_exp(lifetime=-state.token_backend.get_leeway() - timedelta(seconds=1))
    raw = mint()
    forged = raw[:-1] + (b"A" if raw[-1:] != b"A" else b"B")
    for bad in (forged, str(expired).encode(), b"nonsense", b"\xff\0"):
        for _ in range(2):
            with pytest.raises(InvalidToken):
                CachedJWTAuthentication().get_validated_token(bad)
    assert len(get_verified_tokens()) == 0


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_fresh_token_of_a_clock_ahead(claim: str) -> None:
    """The clocks of two servers may differ a little, the first time and remembered."""
    token = AccessToken()
    token["user_id"] = 7
    token.payload[claim] = int(aware_utcnow().timestamp()) + 2
    for _ in range(2):
        found = CachedJWTAuthentication().get_validated_token(str(token).encode())
        assert found["user_id"] == 7


def test_token_that_ran_out_a_moment_ago() -> None:
    """By a clock that is a little behind it hasn't."""
    token = AccessToken()
    token["user_id"] = 7
    token.set_exp(lifetime=-timedelta(seconds=2))
    for _ in range(2):
        CachedJWTAuthentication().get_validated_token(str(token).encode())


def test_signature_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second request with a token doesn't verify it."""
    raw = mint()
    decoded: list[object] = []
    decode = TokenBackend.decode

    def count(backend: TokenBackend, token: Any, verify: bool = True) -> dict[str, Any]:
        decoded.append(token)
        return decode(backend, token, verify)

    monkeypatch.setattr(TokenBackend, "decode", count)
    for _ in range(3):
        assert CachedJWTAuthentication().get_validated_token(raw)["user_id"] == 7
    assert decoded == [raw]
