"""Authenticate a request by its access token, the user coming through the cache."""

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from usercache.conf import conf
from usercache.tokens import get_verified_tokens
from usercache.users import get_user_by_id

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

TOKEN_VERSION_CLAIM: Final = "token_version"  # noqa: S105  # the name of a claim
"""The claim that every access token must carry; who mints tokens puts it there."""


class CachedJWTAuthentication(JWTAuthentication):
    """Resolve a verified token to its user: one GET and no query when he is cached.

    The user's columns are those on the whitelist, and as fresh as the last committed write; a
    deactivation or a new `token_version` is honoured on the next request. A token is verified once
    in each process, and remembered until it expires.
    """

    def get_validated_token(self, raw_token: bytes) -> Token:
        """Return the verified token.

        Raises:
            InvalidToken: it is not ours, has expired, or is of another kind (401).
        """
        verified_tokens = get_verified_tokens()
        token = verified_tokens.recall(raw_token)
        if token is None:
            token = super().get_validated_token(raw_token)
            verified_tokens.remember(raw_token, token)
        return token

    def get_user(self, validated_token: Token) -> "User":  # type: ignore[override]  # unbound there
        """Return the token's user, read-only.

        Raises:
            AuthenticationFailed: there is no such user, he is inactive, or the token is older
                than his token_version (401).
            InvalidToken: the token names no user (401).
        """
        try:
            user_id = validated_token[api_settings.USER_ID_CLAIM]
        except KeyError as error:
            raise InvalidToken(_("The token names no user.")) from error
        user = get_user_by_id(user_id)
        if user is None:
            raise AuthenticationFailed(_("There is no such user."), code="user_not_found")
        if not user.is_active:
            raise AuthenticationFailed(_("The account is inactive."), code="user_inactive")
        field = conf.USERCACHE_TOKEN_VERSION_FIELD
        if field and validated_token.get(TOKEN_VERSION_CLAIM) != getattr(user, field):
            raise AuthenticationFailed(_("The token was revoked; log in again."), "token_revoked")
        return user
