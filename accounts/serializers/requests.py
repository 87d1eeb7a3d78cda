"""Serializers of requests: one per body or query string."""

import re
from typing import Any, Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import User
from accounts.passwords.normal_form import PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH
from accounts.serializers.strict import ModelText, QuerySerializer, StrictSerializer

REFRESH_TOKEN_MAX_LENGTH = 2048
MAIL_TOKEN_MAX_LENGTH = 1024
CODE_MAX_LENGTH = 64
SEARCH_MAX_LENGTH = 100
PAGE_SIZE_DEFAULT = 20
PAGE_SIZE_MAX = 100
# The database counts through all rows before a page.
PAGE_MAX = 10_000
USERNAME_HELP = "Letters (a to z), digits, dots, underscores and hyphens; kept in lower case."
PHONE_HELP = "A number without a country code is Bahamian; kept as in +12425550134."
PLAIN_LOOK_UP: Final = re.compile(r"(email|phone|username)=([A-Za-z0-9._~-]+)")
"""A query string of one identifier that the fields below would leave as it is."""
ORDERINGS = ("created_at", "first_name", "last_name", "username")


class PasswordField(serializers.CharField):
    """A password: every character counts, blanks included."""

    def __init__(self, **kwargs: Any) -> None:
        """Fix what all passwords have in common."""
        super().__init__(
            trim_whitespace=False, write_only=True, max_length=PASSWORD_MAX_LENGTH, **kwargs
        )


class NewPasswordField(PasswordField):
    """A password that somebody chooses; the validators decide whether it is taken."""

    def __init__(self) -> None:
        """Say what every choice must have."""
        super().__init__(help_text=f"At least {PASSWORD_MIN_LENGTH} characters.")


class ProofField(PasswordField):
    """One's own password, once more; see Note [Proof]."""

    def __init__(self) -> None:
        """Let it be absent: whether the account has one is not for a serializer to know."""
        super().__init__(
            required=False,
            allow_null=True,
            help_text="Needed where the account has one; without, log in a few minutes before.",
        )


class FactorCodeField(serializers.CharField):
    """A code of the second factor; see Note [Proof]."""

    def __init__(self) -> None:
        """Let it be absent: whether the account has one is not for a serializer to know."""
        super().__init__(
            default="",
            allow_blank=True,
            write_only=True,
            max_length=CODE_MAX_LENGTH,
            help_text="Of the second factor, where there is one.",
        )


class RegistrationSerializer(StrictSerializer):
    """The body of `POST /auth/register`."""

    email = ModelText("email", help_text="Kept in lower case.")
    password = NewPasswordField()
    first_name = ModelText("first_name")
    last_name = ModelText("last_name")
    username = ModelText("username", required=False, help_text=USERNAME_HELP)
    phone = ModelText("phone", required=False, help_text=PHONE_HELP)
    location = ModelText("location", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse passwords that are weak, or made from the rest of the form."""
        names = ("email", "username", "first_name", "last_name", "phone")
        candidate = User(**{name: attrs[name] for name in names if name in attrs})
        try:
            validate_password(attrs["password"], candidate)
        except DjangoValidationError as error:
            raise serializers.ValidationError({"password": error.messages}) from error
        return attrs


class CredentialsSerializer(StrictSerializer):
    """The body of `POST /auth/login`."""

    email = ModelText("email")
    password = PasswordField()


class EmailSerializer(StrictSerializer):
    """The body of `POST /auth/reset-password`."""

    email = ModelText("email")


class MailTokenSerializer(StrictSerializer):
    """A token that was sent by mail."""

    token = serializers.CharField(max_length=MAIL_TOKEN_MAX_LENGTH, write_only=True)


class ConfirmationSerializer(MailTokenSerializer):
    """The body of `POST /auth/confirm-email`."""

    password = PasswordField(
        required=False,
        allow_null=True,
        help_text="The one of a registration by mail; needed where the token is of one.",
    )


class PasswordResetSerializer(MailTokenSerializer):
    """The body of `POST /auth/reset-password/confirm`."""

    new_password = NewPasswordField()


class ProofSerializer(StrictSerializer):
    """What is asked for once more before an account changes; see Note [Proof]."""

    password = ProofField()
    code = FactorCodeField()


class EmailChangeSerializer(ProofSerializer):
    """The body of `POST /auth/change-email`."""

    new_email = ModelText("email", help_text="Kept in lower case.")


class RefreshTokenSerializer(StrictSerializer):
    """The body of `POST /auth/refresh` and `POST /auth/logout`."""

    refresh_token = serializers.CharField(max_length=REFRESH_TOKEN_MAX_LENGTH, write_only=True)


class ProfileChangesSerializer(ProofSerializer):
    """The body of `PUT` and `PATCH /auth/profile`: any of these, and what is absent stays.

    Another phone takes a proof.
    """

    first_name = ModelText("first_name", required=False)
    last_name = ModelText("last_name", required=False)
    username = ModelText("username", required=False, help_text=USERNAME_HELP)
    phone = ModelText("phone", required=False, help_text=PHONE_HELP)
    bio = ModelText("bio", required=False)
    occupation = ModelText("occupation", required=False)
    location = ModelText("location", required=False)


class AvatarUploadSerializer(StrictSerializer):
    """The form of `POST /auth/upload-avatar`."""

    file = serializers.FileField(
        allow_empty_file=False, write_only=True, help_text="A JPEG, PNG or WebP."
    )


class PasswordChangeSerializer(StrictSerializer):
    """The body of `POST /auth/change-password`."""

    current_password = ProofField()
    new_password = NewPasswordField()
    code = FactorCodeField()

    def validate_new_password(self, value: str) -> str:
        """Refuse passwords that are weak, or made from the user's own data."""
        validate_password(value, self.context["request"].user)
        return value


class DirectoryQuerySerializer(QuerySerializer):
    """The query string of `GET /users`."""

    page = serializers.IntegerField(
        min_value=1, max_value=PAGE_MAX, default=1, help_text="Which page, from 1."
    )
    page_size = serializers.IntegerField(
        min_value=1,
        max_value=PAGE_SIZE_MAX,
        default=PAGE_SIZE_DEFAULT,
        help_text="How many profiles are on a page.",
    )
    search = serializers.CharField(
        max_length=SEARCH_MAX_LENGTH,
        allow_blank=True,
        default="",
        help_text=(
            "Words, each of which must occur in the names, occupation or location; for admins in "
            "email or phone, too."
        ),
    )
    ordering = serializers.ChoiceField(
        choices=[*ORDERINGS, *(f"-{name}" for name in ORDERINGS)],
        default="-created_at",
        help_text="What to sort by; with a hyphen, downwards.",
    )


class LookupQuerySerializer(QuerySerializer):
    """The query string of `GET /users/lookup`: exactly one identifier."""

    username = serializers.CharField(required=False, help_text="In any case.")
    email = serializers.CharField(required=False, help_text="For admins only.")
    phone = serializers.CharField(
        required=False, help_text="For admins only; without a country code it is Bahamian."
    )

    @classmethod
    def read(cls, request: Request) -> dict[str, str]:
        """Return the identifier, as in `{"username": "alice"}`.

        Raises: ValidationError naming every parameter that is wrong.
        """
        plain = PLAIN_LOOK_UP.fullmatch(request.META.get("QUERY_STRING", ""))
        return {plain[1]: plain[2]} if plain else super().read(request)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """Refuse none and two."""
        if len(attrs) != 1:
            raise serializers.ValidationError("Give one of username, email and phone.")
        return attrs
