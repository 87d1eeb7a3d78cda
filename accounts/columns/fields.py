"""Model fields with one normal form of an identifier: in database, look-ups and cache keys."""

import re
import unicodedata
from typing import Any, Final

import idna
import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

PHONE_REGION = "BS"
TYPED_EMAIL_MAX_LENGTH: Final = 320
"""Characters, before normalising. Source: RFC 3696, section 3."""
ROUNDS: Final = 4
"""In so many, folding a text comes to an end; two are needed for what Unicode has today."""
USERNAME_MIN_LENGTH = 3
USERNAME_MAX_LENGTH = 30
LARGEST_INTEGER: Final = 2**63 - 1
"""The largest that a column holds. A query with a larger one fails on SQLite."""
SHA256_HEX_LENGTH: Final = 64

validate_username = RegexValidator(
    re.compile(rf"\A[a-z0-9._-]{{{USERNAME_MIN_LENGTH},{USERNAME_MAX_LENGTH}}}\Z", re.ASCII),
    message=(
        f"Use {USERNAME_MIN_LENGTH} to {USERNAME_MAX_LENGTH} letters (a to z), digits, "
        "dots, underscores or hyphens."
    ),
)


class NormalisedField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """Store and look up the normal form of any input.

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
    """An address in one form: no major provider distinguishes mailboxes by case or width.

    The domain is as people read it, in Unicode: `bücher.example`, not `xn--bcher-kva.example`.
    The rules are those of IDNA 2008, by the `idna` package: Python's own codec has those of 2003,
    by which straße.example and strasse.example, which belong to two owners, are one domain.
    """

    def normalise(self, value: str) -> str:
        """Return `alice@example.com` for ` Alice@Example.COM`, full-width letters or punycode.

        Raises: ValidationError if the domain can't be one.
        """
        if value.isascii() and "xn--" not in value.lower():
            return value.lower().strip()
        if len(value) > TYPED_EMAIL_MAX_LENGTH:  # before the work that each character makes
            raise _bad_email()
        for _ in range(ROUNDS):
            normal = _format_address(value)
            if normal == value:
                return normal
            value = normal
        raise _bad_email()


class UsernameField(NormalisedField):
    """A name of ASCII letters, digits, dots, underscores and hyphens, in lower case.

    The form typed at registration is not kept for display: it would be a second column that has to
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
        normal = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        # One leading zero is dropped each time: +49 (0)30… is a number, +49 0030… is none.
        if value != normal and self.normalise(normal) != normal:
            raise _bad_phone()
        return normal


class Nfkc(models.Func):
    """The text in Unicode's form NFKC, for a constraint; SQLite returns it unchanged."""

    function = "NORMALIZE"
    template = "%(function)s(%(expressions)s, NFKC)"
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> Any:
        """Return the text's own SQL."""
        return compiler.compile(self.get_source_expressions()[0])


def _format_address(value: str) -> str:
    local, at, domain = unicodedata.normalize("NFKC", value).strip().rpartition("@")
    # Lower case once more: the capitals of Cherokee are what its small letters fold to.
    local = unicodedata.normalize("NFKC", local.casefold()).lower()
    domain = _format_domain(domain)
    if domain != domain.lower():  # Cherokee, which IDNA keeps in capitals; the database wouldn't
        raise _bad_email()
    return local + at + domain


def _format_domain(domain: str) -> str:
    try:
        mapped = idna.uts46_remap(domain, std3_rules=False, transitional=False)
        return ".".join(
            label if label.isascii() and not label.startswith("xn--") else idna.ulabel(label)
            for label in mapped.split(".")
        )
    except idna.IDNAError as error:
        raise _bad_email() from error


def _bad_email() -> ValidationError:
    return ValidationError("Enter a valid email address.", code="invalid")


def _bad_phone() -> ValidationError:
    return ValidationError(
        "Enter a phone number such as 242-555-1234 or +44 20 7946 0958.", code="invalid"
    )
