"""The rows of this app: users and their logins."""

import uuid
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.fields import USERNAME_MAX_LENGTH, EmailField, PhoneField, UsernameField
from accounts.managers import UserManager

SHA256_HEX_LENGTH = 64
# Source: RFC 5321, section 4.5.3.1.3, less the brackets.
EMAIL_MAX_LENGTH = 254
# "+" and 15 digits. Source: ITU-T E.164.
PHONE_MAX_LENGTH = 16
NAME_MAX_LENGTH = 100
LINE_MAX_LENGTH = 150
BIO_MAX_LENGTH = 2000
URL_MAX_LENGTH = 500


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody with an account.

    Never deleted by the API: a deactivated user keeps the row, and so the email and the names.
    """

    email = EmailField(max_length=EMAIL_MAX_LENGTH, unique=True)
    username = UsernameField(max_length=USERNAME_MAX_LENGTH, unique=True, null=True, blank=True)
    first_name = models.CharField(max_length=NAME_MAX_LENGTH)
    last_name = models.CharField(max_length=NAME_MAX_LENGTH)
    phone = PhoneField(max_length=PHONE_MAX_LENGTH, unique=True, null=True, blank=True)
    bio = models.TextField(max_length=BIO_MAX_LENGTH, blank=True)
    avatar_url = models.CharField(max_length=URL_MAX_LENGTH, blank=True)
    occupation = models.CharField(max_length=LINE_MAX_LENGTH, blank=True)
    location = models.CharField(max_length=LINE_MAX_LENGTH, blank=True)
    is_active = models.BooleanField(
        "active",
        default=True,
        help_text="Switch this off instead of deleting an account.",
    )
    is_admin = models.BooleanField(
        "admin",
        default=False,
        help_text="May enter this site, and sees email and phone of everybody.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    # Every token carries the version it was made at; a higher one here ends them all.
    token_version = models.PositiveIntegerField(default=1, editable=False)

    objects = UserManager()

    _password: str | None

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        db_table = "users"
        constraints = [
            models.CheckConstraint(
                name="users_email_is_lower_case",
                condition=models.Q(email=Lower("email")),
            ),
            models.CheckConstraint(
                name="users_username_is_lower_case",
                condition=models.Q(username=Lower("username")) & ~models.Q(username=""),
            ),
            models.CheckConstraint(
                name="users_phone_is_international",
                condition=models.Q(phone__startswith="+"),
            ),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="users_newest_first")]

    @property
    def is_staff(self) -> bool:
        """Tell Django's admin site who may enter it."""
        return self.is_admin

    def get_full_name(self) -> str:
        """Return `Alice Rolle`."""
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        """Return `Alice`."""
        return self.first_name

    def save(
        self,
        *,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Write the row; a new password also ends every token made before it."""
        fields = None if update_fields is None else set(update_fields)
        save = partial(
            super().save, force_insert=force_insert, force_update=force_update, using=using
        )
        # _password is there from set_password() until save(). Not in set_password() itself: it is
        # also called where nothing is stored, as for a login with an unknown email.
        is_new_password = self._password is not None and (fields is None or "password" in fields)
        if self._state.adding or not is_new_password:
            save(update_fields=fields)
            return
        with transaction.atomic(using=using or self._state.db):
            self.token_version = self._next_token_version(using)
            save(update_fields=fields and fields | {"token_version", "updated_at"})

    def check_password(self, raw_password: str | None) -> bool:
        """Say whether it is the user's password, hashing it anew if it was hashed more weakly."""

        def store_anew(raw_password: str) -> None:
            # Only over the hash that was checked. Django's own would save this instance, and so
            # bring the old password back if a new one was set in the meantime.
            rows = type(self)._base_manager.filter(pk=self.pk, password=self.password)
            self.password = make_password(raw_password)
            rows.update(password=self.password)

        return check_password(raw_password, self.password, store_anew)

    def _next_token_version(self, using: str | None) -> int:
        # From the row, locked: this instance may have been loaded before another revocation.
        rows = type(self)._base_manager.using(using or self._state.db)
        stored = rows.select_for_update().values_list("token_version", flat=True).get(pk=self.pk)
        return stored + 1

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # With the version, so that what ends a user's tokens also ends their sessions at /admin/.
        return salted_hmac(
            "accounts.models.User.get_session_auth_hash",
            f"{self.password}:{self.token_version}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()


class LoginSession(models.Model):
    """One login of a user, and a chain of refresh tokens of which only the last is good."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="login_sessions")
    # Of the token's id: whoever reads this table can't refresh with it.
    token_hash = models.CharField(max_length=SHA256_HEX_LENGTH, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    rotated_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "login_sessions"

    def __str__(self) -> str:
        """Say whose it is and since when."""
        return f"login of user {self.user_id} at {self.created_at:%Y-%m-%d %H:%M}"
