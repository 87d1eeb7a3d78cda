"""The user model's manager."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.password_validation import validate_password

from usercache.orm.querysets import CachedUserQuerySet

if TYPE_CHECKING:
    from accounts.models import User


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
