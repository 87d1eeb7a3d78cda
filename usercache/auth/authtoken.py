"""Authenticate by the tokens of DRF's `rest_framework.authtoken`; the user comes from the cache."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext as _
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from usercache.codec import get_codec
from usercache.conf import conf
from usercache.users import get_user_by_id

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User


class CachedTokenAuthentication(TokenAuthentication):
    """DRF's own: one query for the token's row, and none for its user if that is cached.

    The row isn't cached: a token that is deleted is refused at once, whichever way it was deleted.
    A model whose `user` is no key of AUTH_USER_MODEL is asked as DRF does, and so is any while
    USERCACHE_ENABLED is off.
    """

    def authenticate_credentials(self, key: str) -> "tuple[User, Any]":
        """Return the token's user, and the token.

        Raises:
            AuthenticationFailed: there is no such token, or its user is inactive (401).
        """
        model: Any = self.get_model()
        if not leads_to_cached_users(model):
            return super().authenticate_credentials(key)
        try:
            token = model.objects.get(key=key)
        except model.DoesNotExist as error:
            raise AuthenticationFailed(_("Invalid token.")) from error
        user = give_user(token)
        if user is None or not user.is_active:
            raise AuthenticationFailed(_("User inactive or deleted."))
        return user, token


def leads_to_cached_users(model: type[models.Model]) -> bool:
    """Return whether a token's `user` is the key of a user that may be cached."""
    if not conf.USERCACHE_ENABLED:
        return False
    field = model._meta.get_field("user")
    return isinstance(field, models.ForeignKey) and field.target_field == get_codec().model._meta.pk


def give_user(token: Any) -> "User | None":
    """Return the cached user of a token, which has them as its `user` from now on."""
    user = get_user_by_id(token.user_id)
    if user is not None:
        type(token)._meta.get_field("user").set_cached_value(token, user)
    return user
