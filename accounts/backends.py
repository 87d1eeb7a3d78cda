"""How Django's `authenticate()` finds a user by email and password."""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import backends
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from accounts.models import User
from accounts.passwords.normal_form import spellings
from usercache.permissions.backends import CachedPermissionsMixin


class PasswordBackend(CachedPermissionsMixin, backends.ModelBackend):
    """Django's own, with the same cost for unknown users in every form of a password.

    `User.check_password()` makes one hash for a password as it is stored, and two for another
    form of it; so does an unknown email.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the active user with this email and password, None for any other."""
        email = kwargs.get(User.USERNAME_FIELD) if username is None else username
        if email is None or password is None:
            return None
        user = User._default_manager.filter(email=email).first()
        if user is None:
            for spelling in spellings(password):
                make_password(spelling)
            return None
        may_log_in = user.check_password(password) and self.user_can_authenticate(user)
        return user if may_log_in else None

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Do as `authenticate()` does."""
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)
