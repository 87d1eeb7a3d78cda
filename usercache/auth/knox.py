"""Authenticate by the tokens of django-rest-knox; the user comes from the cache."""

import binascii
from hmac import compare_digest
from typing import Any

from django.utils.translation import gettext as _
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import CONSTANTS, knox_settings
from rest_framework.exceptions import AuthenticationFailed

from usercache.auth.authtoken import give_user, leads_to_cached_users


class CachedKnoxAuthentication(TokenAuthentication):
    """Knox's own, without the join: its queries for the token, and none for a user that is cached.

    Tokens aren't cached: one that is deleted, by a log-out or otherwise, is refused at once.
    """

    def authenticate_credentials(self, token: bytes) -> Any:
        """Return the token's user, and the token.

        Raises:
            AuthenticationFailed: there is no such token, it has expired, or its user is inactive
                (401).
        """
        model = get_token_model()  # type: ignore[no-untyped-call]  # no types there
        if not leads_to_cached_users(model):
            return super().authenticate_credentials(token)  # type: ignore[no-untyped-call]  # likewise
        try:
            text = token.decode()
            digest = hash_token(text)
        except (TypeError, UnicodeDecodeError, binascii.Error) as error:
            raise AuthenticationFailed(_("Invalid token.")) from error
        # As knox does it, which looks for the hash among the tokens that begin alike.
        for row in model.objects.filter(token_key=text[: CONSTANTS.TOKEN_KEY_LENGTH]):
            if give_user(row) is None or self._cleanup_token(row):
                continue
            if compare_digest(digest, row.digest):
                if knox_settings.AUTO_REFRESH and row.expiry:
                    self.renew_token(row)
                return self.validate_user(row)  # type: ignore[no-untyped-call]  # likewise
        raise AuthenticationFailed(_("Invalid token."))
