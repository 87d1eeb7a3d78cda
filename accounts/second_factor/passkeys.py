"""Passkeys (WebAuthn): what a browser is asked for, and whether its answer is good.

The library checks origin, domain, challenge and signature. The challenge of a log-in's second step
is derived from the log-in's own, so that it works once, as that does.
"""

import struct
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from fido2.cose import CoseKey, UnsupportedKey
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
)

from accounts.models import User
from accounts.second_factor.codes import ISSUER
from accounts.second_factor.models import CREDENTIAL_ID_MAX_LENGTH, Passkey

SALT: Final = "accounts.second_factor.passkeys"
CREDENTIAL_MAX_BYTES: Final = 4096
"""The longest id, and the longest public key that authenticators have (ML-DSA-87)."""
PARSE_ERRORS: Final = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError),
    *(OverflowError, RecursionError, struct.error, UnsupportedAlgorithm),
)
"""What the library raises for answers that no browser gives."""


class BadCredentialError(Exception):
    """The browser's answer isn't good."""


def make_creation_options(user: User) -> tuple[dict[str, Any], str]:
    """Return the options for `navigator.credentials.create()`, and a signed text of our state."""
    entity = PublicKeyCredentialUserEntity(
        name=user.email,
        # Not the id alone: authenticators store it, and show it to their holder.
        id=salted_hmac(SALT, str(user.pk), algorithm="sha256").digest(),
        display_name=user.get_full_name(),
    )
    existing = [read_credential(passkey) for passkey in Passkey.objects.filter(user=user)]
    options, state = _server().register_begin(entity, existing)
    return _to_json(options), signing.dumps((user.pk, state["challenge"]), salt=SALT)


def register(user: User, state: str, response: RegistrationResponse, name: str) -> Passkey:
    """Add the passkey; the caller handles one that is there already.

    Raises: BadCredentialError.
    """
    try:
        user_id, challenge = signing.loads(
            state, salt=SALT, max_age=settings.AUTH_SECOND_FACTOR_CHALLENGE_SECONDS
        )
    except signing.BadSignature as error:
        raise BadCredentialError from error
    if user_id != user.pk:
        raise BadCredentialError
    try:
        found = _server().register_complete(_state(challenge), response)
        credential = found.credential_data
        is_good = credential is not None and _is_usable(credential)
    except PARSE_ERRORS as error:
        raise BadCredentialError from error
    if credential is None or not is_good:
        raise BadCredentialError
    return Passkey(
        user=user,
        name=name,
        credential_id=websafe_encode(credential.credential_id),
        credential=bytes(credential),
        sign_count=found.counter,
    )


def make_request_options(user: User, login_challenge: str) -> dict[str, Any]:
    """Return the options for `navigator.credentials.get()` in this log-in."""
    existing = [read_credential(passkey) for passkey in Passkey.objects.filter(user=user)]
    options, _ = _server().authenticate_begin(existing, challenge=_derive(login_challenge))
    return _to_json(options)


def use_passkey(user: User, login_challenge: str, response: AuthenticationResponse) -> bool:
    """Return whether the answer is of one of the user's passkeys, for this log-in.

    An authenticator that counts its signatures must be ahead of the last one: else it was copied.
    """
    passkey = Passkey.objects.filter(user=user, credential_id=response.id).first()
    if passkey is None:
        return False
    state = _state(websafe_encode(_derive(login_challenge)))
    try:
        _server().authenticate_complete(state, [read_credential(passkey)], response)
        count = response.response.authenticator_data.counter
    except PARSE_ERRORS:
        return False
    is_ahead = Q(sign_count__lt=count) if count else Q(sign_count=0)
    rows = Passkey.objects.filter(is_ahead, pk=passkey.pk)
    return rows.update(sign_count=count, last_used_at=Now()) == 1


def parse_registration(data: Mapping[str, Any]) -> RegistrationResponse:
    """Return a browser's `RegistrationResponseJSON`.

    Raises: BadCredentialError.
    """
    try:
        return RegistrationResponse.from_dict(data)
    except PARSE_ERRORS as error:
        raise BadCredentialError from error


def parse_authentication(data: Mapping[str, Any]) -> AuthenticationResponse:
    """Return a browser's `AuthenticationResponseJSON`.

    Raises: BadCredentialError.
    """
    try:
        return AuthenticationResponse.from_dict(data)
    except PARSE_ERRORS as error:
        raise BadCredentialError from error


def read_credential(passkey: Passkey) -> AttestedCredentialData:
    """Return id and public key."""
    return AttestedCredentialData(bytes(passkey.credential))


def _server() -> Fido2Server:
    domain = PublicKeyCredentialRpEntity(name=ISSUER, id=settings.AUTH_PASSKEY_DOMAIN)
    return Fido2Server(domain, verify_origin=lambda origin: origin in settings.AUTH_PASSKEY_ORIGINS)


def _is_usable(credential: AttestedCredentialData) -> bool:
    key = credential.public_key
    return (
        not isinstance(key, UnsupportedKey)
        and key.ALGORITHM in CoseKey.supported_algorithms()
        and len(websafe_encode(credential.credential_id)) <= CREDENTIAL_ID_MAX_LENGTH
        and len(credential) <= CREDENTIAL_MAX_BYTES
    )


def _derive(login_challenge: str) -> bytes:
    return salted_hmac(SALT, login_challenge, algorithm="sha256").digest()


def _state(challenge: str) -> dict[str, Any]:
    return {"challenge": challenge, "user_verification": None}


def _to_json(options: Any) -> dict[str, Any]:
    found = _plain(dict(options)["publicKey"])
    assert isinstance(found, dict)  # noqa: S101  # for the type
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in dict(value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.value if hasattr(value, "value") else value
