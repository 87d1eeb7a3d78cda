"""Claims of access tokens that this process has verified, by digest: a signature costs 55 us."""

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

from django.core.signals import setting_changed
from rest_framework_simplejwt import state
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import aware_utcnow

from usercache.conf import conf

DIGEST_BYTES: Final = 32
"""Enough that no second token with the same digest can be found."""
_SCALARS: Final = (str, int, float, bool, type(None))
_VERIFICATION: Final = (
    "__init__",
    "verify",
    "check_exp",
    "verify_token_type",
    "get_token_backend",
    "token_backend",
)
_EXPIRY_CLAIM: Final = "exp"


class Verified(NamedTuple):
    """The claims of a verified token."""

    token_class: type[Token]
    claims: dict[str, Any]
    valid_until: float
    """Seconds since 1970: its expiry plus the leeway for clocks."""


class VerifiedTokens:
    """Remember the claims of verified tokens while they and the keys are valid.

    The token itself is never kept. A token whose verification may have another result later is not
    remembered: of a class that adds checks (a blacklist), with remote keys (JWKS), or of a backend
    of the project's own, unless that names the keys it verifies with: `key_ids`, a tuple. The least
    recently used are evicted first. `clock` returns seconds since 1970.
    """

    def __init__(self, max_entries: int, clock: Callable[[], float] = time.time) -> None:
        """Start empty; `max_entries` 0 remembers nothing."""
        self._max_entries = max_entries
        self._clock = clock
        self._lock = threading.Lock()
        self._entries = OrderedDict[bytes, Verified]()
        self._rules = _current_rules()

    def recall(self, raw_token: bytes | str) -> Token | None:
        """Return a new token object with the claims; None if the token must be verified."""
        if self._rules != _current_rules():
            self._invalidate_all()
            return None
        digest = _digest(raw_token)
        try:
            verified = self._entries[digest]
            self._entries.move_to_end(digest)
        except KeyError:  # another thread may drop it between the two
            return None
        if self._clock() >= verified.valid_until:
            return None
        return _restore(verified, raw_token)

    def remember(self, raw_token: bytes | str, token: Token) -> None:
        """Keep the claims of a token that was just verified."""
        if not (self._max_entries and _is_final(token)):
            return
        verified = Verified(type(token), dict(token.payload), valid_until(token))
        with self._lock:
            self._entries[_digest(raw_token)] = verified
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)

    def _invalidate_all(self) -> None:
        with self._lock:
            self._entries.clear()
            self._rules = _current_rules()


@cache
def get_verified_tokens() -> VerifiedTokens:
    """Return this process's; after a change of settings call `cache_clear()` on this."""
    return VerifiedTokens(conf.USERCACHE_TOKENS_MAX_ENTRIES)


def valid_until(token: Token) -> float:
    """Return when a verified token ends, in seconds since 1970: its expiry plus the leeway."""
    leeway_seconds: float = state.token_backend.get_leeway().total_seconds()
    return float(token[_EXPIRY_CLAIM]) + leeway_seconds


def _digest(raw_token: bytes | str) -> bytes:
    if isinstance(raw_token, str):
        raw_token = raw_token.encode(errors="surrogatepass")
    return hashlib.blake2b(raw_token, digest_size=DIGEST_BYTES).digest()


def _restore(verified: Verified, raw_token: bytes | str) -> Token:
    # The state after `Token(raw_token)`; the caller may change the claims.
    token = verified.token_class.__new__(verified.token_class)
    token.token = raw_token  # type: ignore[assignment]  # annotated as if it were decoded
    token.current_time = aware_utcnow()
    token.payload = verified.claims.copy()
    return token


def _current_rules() -> tuple[object, ...]:
    # Everything that verification depends on, besides the token and the time.
    backend = state.token_backend
    return (
        backend.algorithm,
        backend.signing_key,
        backend.verifying_key,
        getattr(backend, "key_ids", ()),
        backend.audience,
        backend.issuer,
        backend.leeway,
        api_settings.AUTH_TOKEN_CLASSES,
        api_settings.JTI_CLAIM,
        api_settings.TOKEN_TYPE_CLAIM,
    )


def _is_final(token: Token) -> bool:
    backend = state.token_backend
    return (
        backend.jwks_client is None
        and (type(backend) is TokenBackend or hasattr(backend, "key_ids"))
        and all(getattr(type(token), name) is getattr(Token, name) for name in _VERIFICATION)
        and token.token_backend is backend
        and type(token.payload.get(_EXPIRY_CLAIM)) is int
        and all(isinstance(claim, _SCALARS) for claim in token.payload.values())
    )


def _follow_settings(setting: str, **_kwargs: Any) -> None:
    if setting == "USERCACHE_TOKENS_MAX_ENTRIES":
        get_verified_tokens.cache_clear()


setting_changed.connect(_follow_settings)
# A lock that another thread held at the fork is never released in the child.
os.register_at_fork(after_in_child=get_verified_tokens.cache_clear)
