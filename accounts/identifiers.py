"""Whether an email, username or phone is still free."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import User

IDENTIFIERS = ("email", "username", "phone")


def check_identifiers_free(user: User) -> None:
    """Make sure that nobody else has one of this user's identifiers: one query.

    Raises: ValidationError on each field that somebody has.
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
    """Save, unless somebody has one of the identifiers, or takes it at this very moment.

    Raises: ValidationError on each such field.
    """
    # Asked first, because a refused write leaves the user's barrier in the cache until it runs out.
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
