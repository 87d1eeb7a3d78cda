"""The rows of this app: users and their logins."""

import hashlib
import uuid
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import PermissionsMixin
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError, models, transaction
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.columns.fields import (
    SHA256_HEX_LENGTH,
    USERNAME_MAX_LENGTH,
    EmailField,
    Nfkc,
    PhoneField,
    UsernameField,
)
from accounts.columns.visible_text import validate_visible, validate_visible_lines
from accounts.passwords.normal_form import normalise_password, spellings
from usercache.orm.querysets import CachedUserQuerySet

# Source: RFC 5321, section 4.5.3.1.3, less the brackets.
EMAIL_MAX_LENGTH = 254
# "+" and 15 digits. Source: ITU-T E.164.
PHONE_MAX_LENGTH = 16
NAME_MAX_LENGTH = 100
LINE_MAX_LENGTH = 150
BIO_MAX_LENGTH = 2000
URL_MAX_LENGTH = 500
USER_AGENT_MAX_LENGTH = 200

CachedUserManager = BaseUserManager.from_queryset(CachedUserQuerySet)


class UserManager(CachedUserManager["User"]):
    """Create users with a hashed password; its bulk writes are announced to the cache."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Add a user; without a password they can't log in."""
        user: User = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Add an admin with every permission, as `manage.py createsuperuser` does.

        Raises: ValidationError on a weak password: that command asks about one that is typed, and
        takes one of the environment as it is.
        """
        if password is not None:
            validate_password(password, self.model(email=email, **fields))
        return self.create_user(
            email, password, **{"is_admin": True, "is_superuser": True, **fields}
        )


class User(AbstractBaseUser, PermissionsMixin):
    """A user with an account.

    A deactivated user keeps the row, and so the email and the names; see Note [Leaving] for when it
    goes.
    """

    email = EmailField(max_length=EMAIL_MAX_LENGTH, unique=True)
    username = UsernameField(max_length=USERNAME_MAX_LENGTH, unique=True, null=True, blank=True)
    first_name = models.CharField(max_length=NAME_MAX_LENGTH, validators=[validate_visible])
    last_name = models.CharField(max_length=NAME_MAX_LENGTH, validators=[validate_visible])
    phone = PhoneField(max_length=PHONE_MAX_LENGTH, unique=True, null=True, blank=True)
    bio = models.TextField(
        max_length=BIO_MAX_LENGTH, blank=True, validators=[validate_visible_lines]
    )
    avatar_url = models.CharField(max_length=URL_MAX_LENGTH, blank=True)
    occupation = models.CharField(
        max_length=LINE_MAX_LENGTH, blank=True, validators=[validate_visible]
    )
    location = models.CharField(
        max_length=LINE_MAX_LENGTH, blank=True, validators=[validate_visible]
    )
    is_email_verified = models.BooleanField(
        "email verified",
        default=False,
        db_default=False,
        help_text="Whether the user has shown that they read its mail.",
    )
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
    # When the owner closed the account; null for one that is active, or that an admin deactivated.
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Raised by a trigger with each change of a cached column, on PostgreSQL; see Note [Versions].
    version = models.PositiveBigIntegerField(default=1, db_default=1, editable=False)
    # Every token carries the version it was made at; a higher one here ends them all.
    token_version = models.PositiveIntegerField(default=1, editable=False)

    # The sessions that ended within an access token's life: id and end, alternating. In the cached
    # record, so that their tokens are refused without a query; see Note [Ended sessions].
    ended_sessions = models.TextField(default="", db_default="", blank=True, editable=False)
    # The ids of the API keys that weren't revoked; see Note [API keys].
    live_keys = models.TextField(default="", db_default="", blank=True, editable=False)

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
                name="users_email_is_normalised",
                condition=models.Q(email=Nfkc("email")),
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
        # The directory's orders, with all that the count of the rows before a page needs. The first
        # is the admin site's, too, which lists inactive users as well.
        indexes = [
            models.Index(fields=["-created_at", "-id", "is_active"], name="users_newest_first"),
            *(
                models.Index(
                    fields=[name, "id"], condition=models.Q(is_active=True), name=f"users_by_{name}"
                )
                for name in ("first_name", "last_name", "username")
            ),
            # For the erasure of closed accounts.
            models.Index(
                fields=["closed_at"],
                condition=models.Q(closed_at__isnull=False),
                name="users_closed",
            ),
        ]

    @property
    def is_staff(self) -> bool:
        """Whether the user may enter Django's admin site."""
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

    def set_password(self, raw_password: str | None) -> None:
        """Hash the password's normal form, so that it opens the account from every keyboard."""
        super().set_password(raw_password and normalise_password(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether it is the user's password, and upgrade a weaker hash.

        A hash from before normalisation, of the password as typed, is accepted as well.
        """
        if raw_password is None:
            return False
        normal = normalise_password(raw_password)

        def store_anew(_raw_password: str) -> None:
            # Only over the hash that was checked. Django's own would save this instance, and so
            # bring the old password back if a new one was set in the meantime.
            rows = type(self)._base_manager.filter(pk=self.pk, password=self.password)
            self.password = make_password(normal)
            rows.update(password=self.password)

        for spelling in spellings(raw_password):
            if check_password(spelling, self.password, store_anew):
                if spelling != normal:
                    store_anew(spelling)
                return True
        return False

    async def acheck_password(self, raw_password: str | None) -> bool:
        """Do as `check_password()` does."""
        return await sync_to_async(self.check_password)(raw_password)

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
    # Of the token's id: read access to this table is not enough to refresh.
    token_hash = models.CharField(max_length=SHA256_HEX_LENGTH, unique=True)
    # By the database's clock; see Note [Rotation is one UPDATE] in accounts/services/sessions.py.
    created_at = models.DateTimeField(default=timezone.now)
    rotated_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # Of the last log-in or refresh.
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=USER_AGENT_MAX_LENGTH, default="", db_default="")
    # What the token says of itself.
    issued_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "login_sessions"
        # Of those that are over, for the sweep.
        indexes = [models.Index(fields=["expires_at"], name="login_sessions_expiry")]

    def __str__(self) -> str:
        """Name the user and the beginning."""
        return f"login of user {self.user_id} at {self.created_at:%Y-%m-%d %H:%M}"


class UsedOnce(models.Model):
    """What is of use once, and was used; kept until it would have expired. A table for each kind.

    Only what has proved good is stored, so that nobody fills the table.
    """

    id_hash = models.CharField(max_length=SHA256_HEX_LENGTH, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        """Name the digest."""
        return f"{self._meta.verbose_name} {self.id_hash}"

    @classmethod
    def use_up(cls, text: str, lifetime: timedelta) -> bool:
        """Use a text up that lives so long; return False if it was used before."""
        rows = cls._default_manager
        rows.filter(expires_at__lt=Now()).delete()
        id_hash = hashlib.sha256(text.encode()).hexdigest()
        # Twice: servers' clocks differ from the database's.
        used = cls(id_hash=id_hash, expires_at=Now() + 2 * lifetime)
        try:
            with transaction.atomic():
                used.save(force_insert=True)
        except IntegrityError:
            return False
        return True


class DiscardedPicture(models.Model):
    """A file that no user's row names any more, until it is deleted."""

    name = models.CharField(max_length=URL_MAX_LENGTH)

    class Meta:
        db_table = "discarded_pictures"

    def __str__(self) -> str:
        """Name the file."""
        return self.name
