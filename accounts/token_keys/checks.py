"""What is wrong with the keys: found at start, since no process may sign or verify with them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error

from accounts.token_keys.keys import (
    RSA_MIN_BITS,
    SECRET_MIN_BYTES,
    TokenKey,
    UnusableKeyError,
    WeakKeyError,
    read_key,
)

MOST_KEYS: Final = 8
"""A token that names no key is tried with each; a rotation needs two."""
MAKE_ONE: Final = (
    "Make a secret with: python -c 'import secrets; print(secrets.token_urlsafe(48))', or a "
    "private key with: openssl genpkey -algorithm ed25519"
)


def check_keys() -> list[CheckMessage]:
    """Return what is wrong with AUTH_TOKEN_KEYS (E001 to E006)."""
    texts = cast(Any, settings.AUTH_TOKEN_KEYS)  # a project may set anything
    if not _is_listed(texts):
        return [
            Error(
                f"AUTH_TOKEN_KEYS is no tuple of 1 to {MOST_KEYS} keys.",
                hint="Set JWT_SIGNING_KEY to what signs, and list in JWT_VERIFYING_KEYS what else "
                "verifies: the key that comes next, or the one before, until its tokens have "
                "expired.",
                id="token_keys.E001",
            )
        ]
    keys, messages = dict[str, TokenKey](), list[CheckMessage]()
    for name, text in _name(texts):
        try:
            keys[name] = read_key(text)
        except WeakKeyError as error:
            messages.append(_refuse_weak(name, error))
        except UnusableKeyError as error:
            messages.append(_refuse_unusable(name, error))
    return [*messages, *_check_signer(keys), *_check_clashes(keys), *_check_others(texts)]


def _is_listed(texts: Any) -> bool:
    return (
        isinstance(texts, tuple)
        and 0 < len(texts) <= MOST_KEYS
        and all(isinstance(text, str) for text in texts)
    )


def _name(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    # A message must not show a key.
    yield "JWT_SIGNING_KEY", texts[0]
    for number, text in enumerate(texts[1:], 1):
        yield f"Key {number} of JWT_VERIFYING_KEYS", text


def _refuse_unusable(name: str, error: UnusableKeyError) -> CheckMessage:
    return Error(
        f"{name} can't be used: {error}.",
        hint="Give it a secret for HS256, or a key in PEM, whose line breaks may be written as "
        "\\n: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA; not encrypted, and no "
        "certificate.",
        id="token_keys.E002",
    )


def _refuse_weak(name: str, error: WeakKeyError) -> CheckMessage:
    return Error(
        f"{name} is weak: {error}.",
        hint=f"{MAKE_ONE}. Secrets have {SECRET_MIN_BYTES} bytes at least, RSA {RSA_MIN_BITS} "
        "bits.",
        id="token_keys.E003",
    )


def _check_signer(keys: dict[str, TokenKey]) -> Iterator[CheckMessage]:
    signer = keys.get("JWT_SIGNING_KEY")
    if signer is not None and signer.signing_key is None:
        yield Error(
            "JWT_SIGNING_KEY is a public key, with which nothing can be signed.",
            hint="Set it to the private key. A public one belongs into JWT_VERIFYING_KEYS.",
            id="token_keys.E004",
        )


def _check_clashes(keys: dict[str, TokenKey]) -> Iterator[CheckMessage]:
    counts = Counter(key.key_id for key in keys.values())
    for key_id in (key_id for key_id, count in counts.items() if count > 1):
        names = ", ".join(name for name, key in keys.items() if key.key_id == key_id)
        yield Error(
            f"The same key is listed more than once: {names}.",
            hint="List each key once. A private key and its public key are the same one.",
            id="token_keys.E005",
        )


def _check_others(texts: Sequence[str]) -> Iterator[CheckMessage]:
    others = {
        "SECRET_KEY": (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS),
        "USERCACHE_SIGNING_KEY": (
            settings.USERCACHE_SIGNING_KEY,
            *settings.USERCACHE_SIGNING_KEY_FALLBACKS,
        ),
        "USERCACHE_FORWARD_SIGNING_KEY": (settings.USERCACHE_FORWARD_SIGNING_KEY,),
        "SECOND_FACTOR_KEY": settings.AUTH_SECOND_FACTOR_KEYS,
    }
    for name, text in _name(texts):
        if same := [other for other, values in others.items() if text in values]:
            yield Error(
                f"{name} is the same secret as {', '.join(same)}, or an earlier one of it.",
                hint=f"Give each its own: anybody who knows one could sign tokens. {MAKE_ONE}.",
                id="token_keys.E006",
            )
