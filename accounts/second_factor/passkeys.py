"""Passkeys (WebAuthn): what a browser is asked for, and whether its answer is good.

The library checks origin, domain, challenge and signature. What a passkey signs is derived from the
log-in's own challenge, so that it works once, as that does.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from fido2 import cbor
from fido2.cose import CoseKey, UnsupportedKey
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts.models import User
from accounts.second_factor.codes import ISSUER
from accounts.second_factor.models import CREDENTIAL_ID_MAX_LENGTH, Passkey

Response = TypeVar("Response", RegistrationResponse, AuthenticationResponse)

SALT: Final = "accounts.second_factor.passkeys"
CREDENTIAL_MAX_BYTES: Final = 4096
"""The longest id, and the longest public key that authenticators have (ML-DSA-87)."""
PARSE_ERRORS: Final = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError),
    *(OverflowError, RecursionError, struct.error, UnsupportedAlgorithm),
)
"""What the library raises for answers that no browser gives."""
ATTESTATION: Final = "attestationObject"
TEXTS: Final = ("clientDataJSON", ATTESTATION, "authenticatorData", "signature", "userHandle")
"""What is base64url in an answer's `response`."""


class BadCredentialError(Exception):
    """The browser's answer isn't good."""


def make_creation_options(user: User) -> tuple[dict[str, Any], str]:
    """Return the options for `navigator.credentials.create()`, and a signed text of our state."""
    passkeys = list(Passkey.objects.filter(user=user).order_by("pk"))
    entity = PublicKeyCredentialUserEntity(
        name=user.email, id=_find_user_handle(user, passkeys), display_name=user.get_full_name()
    )
    existing = [read_credential(passkey) for passkey in passkeys]
    options, state = _server().register_begin(
        entity,
        existing,
        # So that it logs in without a password, where the authenticator can.
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
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
        user_handle=_find_user_handle(user, Passkey.objects.filter(user=user).order_by("pk")),
        sign_count=found.counter,
    )


def make_request_options(user: User, login_challenge: str) -> dict[str, Any]:
    """Return the options for `navigator.credentials.get()` in this log-in."""
    existing = [read_credential(passkey) for passkey in Passkey.objects.filter(user=user)]
    options, _ = _server().authenticate_begin(existing, challenge=_derive(login_challenge))
    return _to_json(options)


def make_open_options(login_challenge: str) -> dict[str, Any]:
    """Return the options for a log-in by any user's passkey alone."""
    options, _ = _server().authenticate_begin(
        challenge=_derive(login_challenge),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _to_json(options)


def use_passkey(user: User, login_challenge: str, response: AuthenticationResponse) -> bool:
    """Return whether the answer is of one of the user's passkeys, for this log-in."""
    passkey = find_passkey(response)
    if passkey is None or passkey.user_id != user.pk:
        return False
    count = verify(passkey, login_challenge, response, is_alone=False)
    return count is not None and note_use(passkey, count)


def find_passkey(response: AuthenticationResponse) -> Passkey | None:
    """Return the passkey that the answer says it is of."""
    return Passkey.objects.filter(credential_id=response.id).first()


def verify(
    passkey: Passkey, login_challenge: str, response: AuthenticationResponse, *, is_alone: bool
) -> int | None:
    """Return how many signatures the passkey has counted; None if the answer isn't good.

    A passkey that `is_alone`, without a password, must have verified its user.
    """
    wanted = UserVerificationRequirement.REQUIRED if is_alone else None
    challenge = websafe_encode(_derive(login_challenge))
    try:
        _server().authenticate_complete(
            _state(challenge, wanted), [read_credential(passkey)], response
        )
    except PARSE_ERRORS:
        return None
    return response.response.authenticator_data.counter


def note_use(passkey: Passkey, count: int) -> bool:
    """Keep the count; return False for a passkey that counts and isn't ahead: it was copied."""
    is_ahead = Q(sign_count__lt=count) if count else Q(sign_count=0)
    rows = Passkey.objects.filter(is_ahead, pk=passkey.pk)
    return rows.update(sign_count=count, last_used_at=Now()) == 1


def parse_registration(data: Mapping[str, Any]) -> RegistrationResponse:
    """Return a browser's `RegistrationResponseJSON`.

    Raises: BadCredentialError.
    """
    return _parse(RegistrationResponse, data)


def parse_authentication(data: Mapping[str, Any]) -> AuthenticationResponse:
    """Return a browser's `AuthenticationResponseJSON`.

    Raises: BadCredentialError.
    """
    return _parse(AuthenticationResponse, data)


def get_user_handle(passkey: Passkey) -> bytes:
    """Return how the passkey names its user; SECRET_KEY may be another than when it was made."""
    kept = passkey.user_handle
    return _make_user_handle(passkey.user_id) if kept is None else bytes(kept)


def read_credential(passkey: Passkey) -> AttestedCredentialData:
    """Return id and public key."""
    return AttestedCredentialData(bytes(passkey.credential))


def _find_user_handle(user: User, passkeys: Iterable[Passkey]) -> bytes:
    # That of their first, so that an authenticator has them as one account.
    first = next(iter(passkeys), None)
    return _make_user_handle(user.pk) if first is None else get_user_handle(first)


def _make_user_handle(user_id: int) -> bytes:
    # Not the id, which authenticators show to their holder.
    return salted_hmac(SALT, str(user_id), algorithm="sha256").digest()


def _parse(kind: type[Response], data: Mapping[str, Any]) -> Response:
    try:
        _check_kinds(data)
        found = kind.from_dict(data)
    except PARSE_ERRORS as error:
        raise BadCredentialError from error
    if found is None:  # as for null
        raise BadCredentialError
    return found


def _check_kinds(data: Mapping[str, Any]) -> None:
    # The library makes bytes of whatever there is: of a number, in JSON or in CBOR, so many zeros.
    response = data["response"]
    texts = [data["rawId"], *(response[name] for name in TEXTS if name in response)]
    if not all(isinstance(text, str | None) for text in texts):
        raise TypeError("It has something else than text.")
    if ATTESTATION in response:
        attestation: Any = cbor.decode(websafe_decode(response[ATTESTATION]))
        if not isinstance(attestation["authData"], bytes):
            raise TypeError("Its authenticator data are no bytes.")


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


def _state(challenge: str, wanted: UserVerificationRequirement | None = None) -> dict[str, Any]:
    return {"challenge": challenge, "user_verification": wanted}


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
