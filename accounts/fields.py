"""Model fields that spell an identifier one way: in the database, in look-ups, in cache keys."""

import re
from typing import Any

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

PHONE_REGION = "BS"
USERNAME_MIN_LENGTH = 3
USERNAME_MAX_LENGTH = 30

validate_username = RegexValidator(
    re.compile(rf"\A[a-z0-9._-]{{{USERNAME_MIN_LENGTH},{USERNAME_MAX_LENGTH}}}\Z", re.ASCII),
    message=(
        f"Use {USERNAME_MIN_LENGTH} to {USERNAME_MAX_LENGTH} letters (a to z), digits, "
        "dots, underscores or hyphens."
    ),
)


class NormalisedField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """Store and look up the normal form, whatever spelling was given.

    `User.objects.get(email=" Alice@Example.com")` finds alice@example.com. What has no normal form
    is looked up as it is, and so matches no row. Pattern look-ups (`icontains`) are left alone.
    """

    def normalise(self, value: str) -> str:
        """Return the normal form of `value`; of a normal form, itself.

        Raises: ValidationError if it has none.
        """
        raise NotImplementedError

    def to_python(self, value: Any) -> Any:
        """Return the normal form; "" becomes None where None is allowed.

        Raises: ValidationError if the value has no normal form.
        """
        value = super().to_python(value)
        if not value:
            return None if self.null else value
        return self.normalise(value)

    def get_prep_value(self, value: Any) -> Any:
        """Return the normal form if there is one, for look-ups as well as for storing."""
        # Past CharField's own, which calls to_python().
        value = super(models.CharField, self).get_prep_value(value)
        if value is None:
            return None
        try:
            return self.normalise(str(value))
        except ValidationError:
            return str(value)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Store NULL for "" where None is allowed."""
        # Not in get_prep_value(): a look-up of "" would become one of NULL and match many rows.
        value = super().get_db_prep_save(value, connection)
        return None if self.null and value == "" else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Give the instance the value that the row will have."""
        value = super().pre_save(model_instance, add)
        if isinstance(value, str):
            value = self.get_prep_value(value)
            value = None if self.null and value == "" else value
            setattr(model_instance, self.attname, value)
        return value


class EmailField(NormalisedField, models.EmailField):  # type: ignore[type-arg]  # as above
    """An address in lower case: no provider of note tells two mailboxes apart by case."""

    def normalise(self, value: str) -> str:
        """Return `alice@example.com` for ` Alice@Example.COM`."""
        return value.lower().strip()


class UsernameField(NormalisedField):
    """A name of ASCII letters, digits, dots, underscores and hyphens, in lower case.

    The spelling at registration is not kept for display: it would be a second column that has to
    follow the first through every rename and every cache, for the sake of a few capitals.
    """

    default_validators = [validate_username]

    def normalise(self, value: str) -> str:
        """Return `alice` for ` Alice`."""
        return value.lower().strip()


class PhoneField(NormalisedField):
    """A number in E.164; one without a country code is Bahamian."""

    def normalise(self, value: str) -> str:
        """Return `+12425551234` for `(242) 555-1234`.

        Numbers need only be possible: whether one is assigned, no list knows for long.

        Raises: ValidationError if it can't be a phone number.
        """
        try:
            number = phonenumbers.parse(value, PHONE_REGION)
        except phonenumbers.NumberParseException as error:
            raise _bad_phone() from error
        if not phonenumbers.is_possible_number(number):
            raise _bad_phone()
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _bad_phone() -> ValidationError:
    return ValidationError(
        "Enter a phone number such as 242-555-1234 or +44 20 7946 0958.", code="invalid"
    )
