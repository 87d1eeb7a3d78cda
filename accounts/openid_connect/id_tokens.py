"""ID tokens: what a provider says of a user, once all of it is checked."""

import unicodedata
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import jwt
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare

from accounts.columns.visible_text import validate_visible
from accounts.models import NAME_MAX_LENGTH, User
from accounts.openid_connect.models import SUBJECT_MAX_LENGTH
from accounts.openid_connect.providers import Provider

ALGORITHMS: Final = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
"""Those with a public key. HS256 would take a published key for a secret, and `none` anything."""
KEY_TYPES: Final = {"RSA", "EC", "OKP"}
MAX_LENGTH: Final = 16 * 1024
LEEWAY_SECONDS: Final = 60
"""How far a provider's clock may be from ours."""
REQUIRED: Final = ("iss", "sub", "aud", "exp", "iat", "nonce")


class BadTokenError(Exception):
    """The token isn't good. Its text is for the log: nothing of the token."""


class UnknownKeyError(BadTokenError):
    """None of the keys is the one that it names."""


class Claims(NamedTuple):
    """The user's subject and names; `email` is None unless the provider has verified it."""

    subject: str
    email: str | None
    first_name: str
    last_name: str


def read_id_token(
    text: object, provider: Provider, keys: Iterable[dict[str, Any]], nonce: str
) -> Claims:
    """Return what a token says, if it was made by the provider, for us, for this flow, just now.

    Raises: UnknownKeyError, BadTokenError.
    """
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        raise BadTokenError("there is no ID token")
    try:
        header = jwt.get_unverified_header(text)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise BadTokenError("its algorithm isn't allowed")
        claims = jwt.decode(
            text,
            _find_key(keys, header.get("kid"), algorithm),
            algorithms=[algorithm],
            audience=provider.client_id,
            issuer=provider.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED), "enforce_minimum_key_length": True},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise BadTokenError(type(error).__name__) from None  # its text may quote the token
    _check_party(claims, provider)
    if not isinstance(claims["nonce"], str) or not constant_time_compare(claims["nonce"], nonce):
        raise BadTokenError("its nonce is another flow's")
    return _parse(claims)


def _find_key(keys: Iterable[dict[str, Any]], key_id: object, algorithm: str) -> jwt.PyJWK:
    fitting = [
        key
        for key in keys
        if key.get("kty") in KEY_TYPES
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (key_id is None or key.get("kid") == key_id)
    ]
    # Without a key's id, there may be no choice. Source: OpenID Connect Core 1.0, section 10.1.
    if len(fitting) != 1:
        raise UnknownKeyError("it is signed with an unknown key")
    return jwt.PyJWK(fitting[0], algorithm)


def _check_party(claims: dict[str, Any], provider: Provider) -> None:
    # Source: OpenID Connect Core 1.0, section 3.1.3.7, items 4 and 5.
    party = claims.get("azp")
    is_for_others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if party != provider.client_id and (party is not None or is_for_others):
        raise BadTokenError("it was made for another client")


def _parse(claims: dict[str, Any]) -> Claims:
    subject = claims["sub"]
    is_subject = isinstance(subject, str) and subject.isascii() and subject.isprintable()
    if not is_subject or not 0 < len(subject) <= SUBJECT_MAX_LENGTH:
        raise BadTokenError("its subject is no name")
    return Claims(
        subject,
        _find_email(claims),
        clean_name(claims.get("given_name")),
        clean_name(claims.get("family_name")),
    )


def _find_email(claims: dict[str, Any]) -> str | None:
    email = claims.get("email")
    # Apple writes it as a string.
    if claims.get("email_verified") not in (True, "true") or not isinstance(email, str):
        return None
    field: Any = User._meta.get_field("email")
    try:
        normal: str = field.clean(email, None)
    except ValidationError:
        return None
    # What the provider has verified is this text. What has our normal form may be another mailbox.
    return normal if normal == email.lower() else None


def clean_name(name: object) -> str:
    """Return a name that a provider gives, without what can't be seen; "" for none."""
    if not isinstance(name, str):
        return ""
    text = unicodedata.normalize("NFC", name).strip()[:NAME_MAX_LENGTH]
    try:
        validate_visible(text)
    except ValidationError:
        return ""
    return text
