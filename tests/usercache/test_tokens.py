"""Verified tokens are remembered: by digest, until they expire or the keys change, and bounded."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework_simplejwt import state
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken as PlainToken
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import aware_utcnow

from accounts.tokens import AccessToken
from tests.usercache.clocks import Clock
from usercache.authentication import CachedJWTAuthentication
from usercache.tokens import VerifiedTokens, get_verified_tokens

LIFETIME_SECONDS = 900


@pytest.fixture
def clock() -> Clock:
    return Clock(now=aware_utcnow().timestamp())


@pytest.fixture
def tokens(clock: Clock) -> VerifiedTokens:
    return VerifiedTokens(2, clock=clock)


def mint(user_id: int = 7) -> bytes:
    return AccessToken.mint(user_id=user_id, token_version=1).encode()


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


def test_expired_token_is_verified_again(tokens: VerifiedTokens, clock: Clock) -> None:
    """From the second of its expiry on, it is refused as if never seen."""
    raw = mint()
    remember(tokens, raw)
    expiry = AccessToken(raw)["exp"]  # type: ignore[arg-type]
    clock.now = expiry - 0.001
    assert tokens.recall(raw) is not None
    clock.now = expiry
    assert tokens.recall(raw) is None


def test_new_keys_end_all(tokens: VerifiedTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another key nothing that was signed with the old one is believed."""
    raw = mint()
    remember(tokens, raw)
    monkeypatch.setattr(state.token_backend, "signing_key", "another" * 8)
    assert tokens.recall(raw) is None
    monkeypatch.undo()
    assert tokens.recall(raw) is None
    assert len(tokens) == 0


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


@pytest.mark.parametrize("token_class", [Blacklisting, Elsewhere, Signed])
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
    expired.set_exp(lifetime=-timedelta(seconds=1))
    raw = mint()
    forged = raw[:-1] + (b"A" if raw[-1:] != b"A" else b"B")
    for bad in (forged, str(expired).encode(), b"nonsense", b"\xff\0"):
        for _ in range(2):
            with pytest.raises(InvalidToken):
                CachedJWTAuthentication().get_validated_token(bad)
    assert len(get_verified_tokens()) == 0


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
