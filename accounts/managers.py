"""The user model's manager."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager

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
        """Add an admin with every permission, as `manage.py createsuperuser` does."""
        return self.create_user(
            email, password, **{"is_admin": True, "is_superuser": True, **fields}
        )
