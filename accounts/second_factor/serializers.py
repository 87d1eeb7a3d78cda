"""Serializers of this app's requests and answers."""

from collections.abc import Callable, Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.columns.visible_text import validate_visible
from accounts.second_factor.models import PASSKEY_NAME_MAX_LENGTH, Passkey
from accounts.second_factor.passkeys import (
    BadCredentialError,
    parse_authentication,
    parse_registration,
)
from accounts.serializers.responses import LoginSerializer
from accounts.serializers.shared_fields import SharedFields
from accounts.serializers.strict import StrictSerializer

# A recovery code with every hyphen and some spaces.
CODE_MAX_LENGTH = 32
CHALLENGE_MAX_LENGTH = 512


class CodeField(serializers.CharField):
    """A code; spaces and hyphens don't count."""

    def __init__(self) -> None:
        """Fix what all codes have in common."""
        super().__init__(
            max_length=CODE_MAX_LENGTH,
            write_only=True,
            help_text="Six digits of the authenticator app, or a recovery code.",
        )


@extend_schema_field({"type": "object", "additionalProperties": {}})
class CredentialField(serializers.Field[Any, Any, Any, Any]):
    """A browser's answer, as `PublicKeyCredential.toJSON()` writes it."""

    default_error_messages = {"invalid": "This is no answer of a browser to the options."}

    def __init__(self, parse: Callable[[Mapping[str, Any]], Any]) -> None:
        """Take the function that reads it."""
        super().__init__(
            write_only=True, help_text="The browser's answer, by `PublicKeyCredential.toJSON()`."
        )
        self._parse = parse

    def to_internal_value(self, data: Any) -> Any:
        """Return what it says; nothing is checked yet.

        Raises: ValidationError.
        """
        try:
            return self._parse(data)
        except BadCredentialError:
            self.fail("invalid")


@extend_schema_field({"type": "object", "additionalProperties": {}})
class OptionsField(serializers.DictField):
    """Options of WebAuthn, in the JSON that browsers read."""


class CodeSerializer(StrictSerializer):
    """The body of `POST /auth/second-factor/app/confirm`."""

    code = CodeField()


class ChallengeSerializer(StrictSerializer):
    """The body of what begins something with a log-in's challenge."""

    challenge = serializers.CharField(
        max_length=CHALLENGE_MAX_LENGTH,
        write_only=True,
        help_text="From the answer of `POST /auth/login`.",
    )


class ChallengeAndCodeSerializer(ChallengeSerializer):
    """The body of `POST /auth/login/second-factor`."""

    code = CodeField()


class NewPasskeySerializer(StrictSerializer):
    """The body of `POST /auth/second-factor/passkeys`."""

    name = serializers.CharField(
        max_length=PASSKEY_NAME_MAX_LENGTH,
        validators=[validate_visible],
        help_text="What its owner knows it by.",
    )
    state = serializers.CharField(max_length=CHALLENGE_MAX_LENGTH, write_only=True)
    credential = CredentialField(parse_registration)


class PasswordlessLoginSerializer(StrictSerializer):
    """The body of `POST /auth/login/passkey`."""

    challenge = serializers.CharField(
        max_length=CHALLENGE_MAX_LENGTH,
        write_only=True,
        help_text="From the answer of `POST /auth/login/passkey/options`.",
    )
    credential = CredentialField(parse_authentication)


class ChallengeAndPasskeySerializer(ChallengeSerializer):
    """The body of `POST /auth/login/second-factor/passkey`."""

    credential = CredentialField(parse_authentication)


class SetUpSerializer(SharedFields):
    """What the authenticator app needs to know; shown once."""

    secret = serializers.CharField(help_text="To be typed where no camera is.")
    uri = serializers.CharField(help_text="To be shown as a QR code.")


class RecoveryCodesSerializer(SharedFields):
    """New recovery codes; shown once."""

    recovery_codes = serializers.ListField(
        child=serializers.CharField(), help_text="Each is good for one log-in without the app."
    )


class PasskeySerializer(serializers.ModelSerializer[Passkey]):
    """A passkey, as its owner sees it."""

    class Meta:
        model = Passkey
        fields = ("id", "name", "created_at", "last_used_at")
        read_only_fields = fields


class CreationSerializer(SharedFields):
    """What the browser needs to know to make a passkey."""

    options = OptionsField(help_text="For `navigator.credentials.create()`, as `publicKey`.")
    state = serializers.CharField(help_text="To be sent back with the browser's answer.")


class RequestSerializer(SharedFields):
    """What the browser needs to know to show a passkey."""

    options = OptionsField(help_text="For `navigator.credentials.get()`, as `publicKey`.")


class PasswordlessOptionsSerializer(RequestSerializer):
    """What the browser needs to know to log in, and what comes back with its answer."""

    challenge = serializers.CharField(help_text="To be sent back with the browser's answer.")


class FactorsSerializer(serializers.Serializer[Any]):
    """What one's own account has."""

    is_required = serializers.BooleanField(help_text="Whether one can't log in without.")
    is_on = serializers.BooleanField(help_text="Whether an authenticator app is asked for.")
    recovery_codes_left = serializers.IntegerField()
    passkeys = PasskeySerializer(many=True)


class FinishedLoginSerializer(LoginSerializer):
    """A log-in; with the recovery codes if it has switched the factor on."""

    recovery_codes = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Where this has finished a set-up; shown once.",
    )
