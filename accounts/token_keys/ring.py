"""simplejwt's token backend with several keys; see Note [Token keys]."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import jwt
from django.conf import settings
from rest_framework_simplejwt import state
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from accounts.token_keys.keys import Jwk, TokenKey, read_key

KEY_ID_HEADER: Final = "kid"


class KeyRing(TokenBackend):
    """Sign with the first key, verify each token with the key that it names.

    Behind each key is a backend of simplejwt's own, which accepts the key's algorithm alone.
    """

    def __init__(self, keys: Sequence[TokenKey]) -> None:
        """Take at least one key, the first with what signs."""
        first = keys[0]
        super().__init__(*_arguments_for(first))
        self.key_ids = tuple(key.key_id for key in keys)
        """`usercache.auth.verified_tokens` forgets all tokens when they change."""
        self.public_keys: tuple[Jwk, ...] = tuple(key.jwk for key in keys if key.jwk is not None)
        """What the page of keys shows."""
        self._backends = {key.key_id: TokenBackend(*_arguments_for(key)) for key in keys}

    def encode(self, payload: dict[str, Any]) -> str:
        """Return a signed token that names its key."""
        named = {"aud": self.audience, "iss": self.issuer}
        return jwt.encode(
            payload | {claim: value for claim, value in named.items() if value is not None},
            self.prepared_signing_key,
            self.algorithm,
            headers={KEY_ID_HEADER: self.key_ids[0]},
            json_encoder=self.json_encoder,
        )

    def decode(self, token: Token, verify: bool = True) -> dict[str, Any]:
        """Return the claims of a token that one of the keys has signed.

        Raises: TokenBackendError, TokenBackendExpiredToken.
        """
        if not verify:
            return super().decode(token, verify=False)
        refusal = TokenBackendError("Token is invalid")
        for backend in self._candidates(token):
            try:
                return backend.decode(token)
            except TokenBackendExpiredToken:
                raise
            except TokenBackendError as error:
                refusal = error
        raise refusal

    def _candidates(self, token: Token) -> Iterator[TokenBackend]:
        try:
            headers = jwt.get_unverified_header(token)  # type: ignore[arg-type]  # annotated as if decoded
        except jwt.InvalidTokenError as error:
            raise TokenBackendError("Token is invalid") from error
        if KEY_ID_HEADER not in headers:
            yield from self._backends.values()
        elif (backend := self._backends.get(headers[KEY_ID_HEADER])) is not None:
            yield backend


def get_ring() -> KeyRing:
    """Return the ring that is in use."""
    return cast(KeyRing, state.token_backend)


def make_ring() -> KeyRing:
    """Return the ring of the settings' keys.

    Raises: UnusableKeyError.
    """
    return KeyRing([read_key(text) for text in settings.AUTH_TOKEN_KEYS])


def _arguments_for(key: TokenKey) -> tuple[Any, ...]:
    return (
        key.algorithm,
        key.signing_key,
        key.verifying_key,
        api_settings.AUDIENCE,
        api_settings.ISSUER,
        None,  # no address to fetch keys from
        api_settings.LEEWAY,
        api_settings.JSON_ENCODER,
    )
