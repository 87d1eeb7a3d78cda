"""Authenticate a request by its access token; the user comes from the cache."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from django.core.exceptions import ObjectDoesNotExist
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.settings import api_settings as drf_settings
from rest_framework_simplejwt import authentication
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import get_md5_hash_password

from usercache.auth.verified_tokens import get_verified_tokens
from usercache.codec import get_codec
from usercache.conf import conf
from usercache.instances.columns import fingerprints_of
from usercache.instances.fingerprints import recognises_claim
from usercache.users import get_user_by
from usercache.versions import VersionNotFoundError, get_user_at_version, version_of
from usercache.versions.header import VersionNotFound, read_version

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

TOKEN_VERSION_CLAIM: Final = "token_version"  # noqa: S105  # the name of a claim
"""The claim that access tokens must carry if USERCACHE_TOKEN_VERSION_FIELD is set, all of them
unless USERCACHE_TOKEN_VERSION_UNCLAIMED says what one without it counts as."""
SESSION_CLAIM: Final = "sid"
"""The claim that names the session of an access token; without it the token is of none."""
CLAIM_ERRORS: Final = (TypeError, ValueError, OverflowError, OSError)
"""What simplejwt raises for a signed `exp` that is no time."""


class CachedJWTAuthentication(JWTAuthentication):
    """Resolve a verified token to its user: one GET and no query if the user is cached.

    The user has the columns on the whitelist, as of the last committed write; a deactivation, a new
    `token_version` or the end of a session applies at the next request. A token is verified once in
    each process, and remembered until it expires. simplejwt's settings apply as in its own class;
    USER_AUTHENTICATION_RULE, too, is evaluated at each request.
    """

    def authenticate(self, request: Request) -> "tuple[User, Token] | None":  # type: ignore[override]  # as in get_user()
        """Return the user and the token, None without one.

        The user is never older than the version that the request names as `X-User-Version`.

        Raises:
            AuthenticationFailed: as `get_user()` (401).
            ParseError: the version is no number (400).
            VersionNotFound: the database doesn't have it (503).
        """
        header = cast("bytes | None", self.get_header(request))
        raw_token = None if header is None else self.get_raw_token(header)
        if raw_token is None:
            return None
        token = self.get_validated_token(raw_token)
        return self.get_user_at(token, read_version(request.META)), token

    def get_raw_token(self, header: bytes) -> bytes | None:
        """Return the token after `Bearer`, in upper or lower case (RFC 9110, section 11.1).

        Raises:
            AuthenticationFailed: the header holds more or less than one token (401).
        """
        raw_token = super().get_raw_token(header)
        if raw_token is not None:
            return raw_token
        given, *rest = header.split() or [b""]
        for scheme in authentication.AUTH_HEADER_TYPE_BYTES:
            if scheme.lower() == given.lower():
                return super().get_raw_token(b" ".join((scheme, *rest)))
        return None

    def get_validated_token(self, raw_token: bytes | str) -> Token:
        """Return the verified token; text is for subclasses that find it elsewhere (a cookie).

        Raises:
            InvalidToken: it is not ours, has expired, or is of another kind (401).
        """
        verified_tokens = get_verified_tokens()
        token = verified_tokens.recall(raw_token)
        if token is None:
            try:
                token = super().get_validated_token(raw_token)  # type: ignore[arg-type]  # as ours
            except CLAIM_ERRORS as error:
                raise InvalidToken(_("A claim of the token makes no sense.")) from error
            verified_tokens.remember(raw_token, token)
        return token

    def get_user(self, validated_token: Token) -> "User":  # type: ignore[override]  # unbound there
        """Return the token's user.

        Raises:
            AuthenticationFailed: there is no such user, they are inactive, the project's rule
                refuses them, the token is older than their token_version or password, or its
                session has ended (401).
            InvalidToken: the token names no user (401).
            ImproperlyConfigured: USER_ID_FIELD names no unique column of USERCACHE_FIELDS.
        """
        user = self._find_user(validated_token)
        if user is None:
            raise AuthenticationFailed(_("User not found"), code="user_not_found")
        return self.admit(validated_token, user)

    def get_user_at(self, validated_token: Token, version: int) -> "User":
        """Return the token's user, not older than this version.

        Raises:
            VersionNotFound: the database has only an older row (503).
        """
        if not version or self.user_model is not get_codec().model:
            return self.get_user(validated_token)
        user_id = validated_token.get(api_settings.USER_ID_CLAIM)
        try:
            # It drops what is cached and too old, which a subclass would find once more.
            get_user_at_version(api_settings.USER_ID_FIELD, user_id, version)
        except VersionNotFoundError as error:
            raise VersionNotFound from error
        user = self.get_user(validated_token)
        if version_of(user) < version:
            raise VersionNotFound
        return user

    def admit(self, validated_token: Token, user: "User") -> "User":
        """Return the user that a token names, unless they or the token are refused.

        Raises:
            AuthenticationFailed: as `get_user()` says (401).
        """
        if api_settings.CHECK_USER_IS_ACTIVE and not user.is_active:
            raise AuthenticationFailed(_("User is inactive"), code="user_inactive")
        if not api_settings.USER_AUTHENTICATION_RULE(user):
            raise AuthenticationFailed(
                _("No active account found with the given credentials"), code="no_active_account"
            )
        field = conf.USERCACHE_TOKEN_VERSION_FIELD
        if field and not _is_same(_version_of(validated_token), getattr(user, field)):
            raise AuthenticationFailed(_("The token was revoked; log in again."), "token_revoked")
        field = conf.USERCACHE_ENDED_SESSIONS_FIELD
        ended = field and getattr(user, field)
        if ended and validated_token.get(SESSION_CLAIM) in ended.split():
            raise AuthenticationFailed(_("This session is over. Log in again."), "session_ended")
        if api_settings.CHECK_REVOKE_TOKEN:
            _check_password_claim(validated_token, user)
        return user

    def _find_user(self, token: Token) -> "User | None":
        try:
            user_id = token[api_settings.USER_ID_CLAIM]
        except KeyError as error:
            raise InvalidToken(_("Token contained no recognizable user identification")) from error
        if (
            self.user_model is not get_codec().model
        ):  # a subclass's own; only AUTH_USER_MODEL is cached
            return cast("User", super().get_user(token))
        return get_user_by(api_settings.USER_ID_FIELD, user_id)


def find_authentication() -> CachedJWTAuthentication:
    """Return the project's own class, which may refuse more than ours."""
    classes = cast("Iterable[type]", drf_settings.DEFAULT_AUTHENTICATION_CLASSES)
    ours = [used for used in classes if issubclass(used, CachedJWTAuthentication)]
    return (ours or [CachedJWTAuthentication])[0]()


def _check_password_claim(token: Token, user: "User") -> None:
    claim, fingerprints = token.get(api_settings.REVOKE_TOKEN_CLAIM), fingerprints_of(user)
    if claim and fingerprints and recognises_claim(get_codec(), fingerprints, str(claim)):
        return
    # A query, since no hash is ever cached: for each token, or for one that is to be refused.
    try:
        password = user.password
    except ObjectDoesNotExist as error:
        raise AuthenticationFailed(_("User not found"), code="user_not_found") from error
    if claim != get_md5_hash_password(password):
        raise AuthenticationFailed(
            _("The user's password has been changed."), code="password_changed"
        )


def _version_of(token: Token) -> object:
    # A token without the claim was made before tokens had one; its version was the first.
    unclaimed = conf.USERCACHE_TOKEN_VERSION_UNCLAIMED
    return token.get(TOKEN_VERSION_CLAIM, unclaimed or None)


def _is_same(claim: object, value: object) -> bool:
    # True is equal to 1, and 1.0 as well.
    return type(claim) is type(value) and claim == value
