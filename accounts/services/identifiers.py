"""Whether an email, username or phone is still free."""

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.errors import field_error
from accounts.models import User

IDENTIFIERS = ("email", "username", "phone")
RESERVED_USERNAMES: Final = frozenset(
    (
        *("abuse", "admin", "administrator", "anonymous", "api", "auth", "billing", "contact"),
        *("dashboard", "everybody", "everyone", "help", "helpdesk", "hiremebahamas", "hostmaster"),
        *("info", "login", "logout", "lookup", "mail", "me", "moderator", "nobody", "noreply"),
        *("null", "official", "owner", "postmaster", "privacy", "register", "root", "security"),
        *("settings", "staff", "superuser", "support", "sysadmin", "system", "undefined"),
        *("user", "users", "verify", "webmaster"),
    )
)
"""What would be taken for us, or for a path; dots, hyphens and underscores don't count."""
_SEPARATORS: Final = str.maketrans("", "", "._-")


def check_username_allowed(username: str | None) -> None:
    """Check that a username that a user chooses promises no office; an admin may give any.

    Raises: ValidationError on `username`.
    """
    letters = (username or "").translate(_SEPARATORS)
    if letters in RESERVED_USERNAMES:
        raise field_error("username", "This username is reserved. Choose another.", "reserved")


def check_identifiers_free(user: User) -> None:
    """Check that no other user has one of this user's identifiers: one query.

    Raises: ValidationError on each field that another user has.
    """
    mine = {name: value for name in IDENTIFIERS if (value := _normalise(user, name))}
    condition = Q(pk__in=())
    for name, value in mine.items():
        condition |= Q(**{name: value})
    rows = User.objects.filter(condition).exclude(pk=user.pk).values(*mine)
    taken = {name for row in rows for name, value in mine.items() if row[name] == value}
    if taken:
        raise ValidationError(
            {
                name: ValidationError(
                    f"Another account has this {name}. Choose another.", code="unique"
                )
                for name in IDENTIFIERS
                if name in taken
            }
        )


def save_with_free_identifiers(user: User, *, update_fields: list[str] | None = None) -> None:
    """Save, unless another user has one of the identifiers, or takes it at the same time.

    Raises: ValidationError on each such field.
    """
    # Checked first, because a refused write leaves the user's write marker in the cache until it
    # expires.
    check_identifiers_free(user)
    try:
        with transaction.atomic():
            user.save(update_fields=update_fields)
    except IntegrityError:
        check_identifiers_free(user)
        raise


def _normalise(user: User, name: str) -> str | None:
    field: Any = User._meta.get_field(name)
    value: str | None = field.get_prep_value(getattr(user, name))
    return value
