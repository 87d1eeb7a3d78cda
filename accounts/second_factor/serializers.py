"""Serializers of this app's requests and answers."""

from rest_framework import serializers

from accounts.representations import LoginSerializer
from accounts.serializers import PasswordField
from accounts.shared_fields import SharedFields
from accounts.strict import StrictSerializer

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


class PasswordSerializer(StrictSerializer):
    """The body of `POST /auth/second-factor/app`."""

    password = PasswordField()


class CodeSerializer(StrictSerializer):
    """The body of `POST /auth/second-factor/app/confirm`."""

    code = CodeField()


class PasswordAndCodeSerializer(CodeSerializer):
    """The body of what changes a factor that is on."""

    password = PasswordField()


class ChallengeSerializer(StrictSerializer):
    """The body of `POST /auth/login/second-factor/app`."""

    challenge = serializers.CharField(
        max_length=CHALLENGE_MAX_LENGTH,
        write_only=True,
        help_text="From the answer of `POST /auth/login`.",
    )


class ChallengeAndCodeSerializer(ChallengeSerializer):
    """The body of `POST /auth/login/second-factor`."""

    code = CodeField()


class SetUpSerializer(SharedFields):
    """What the authenticator app needs to know; shown once."""

    secret = serializers.CharField(help_text="To be typed where no camera is.")
    uri = serializers.CharField(help_text="To be shown as a QR code.")


class RecoveryCodesSerializer(SharedFields):
    """New recovery codes; shown once."""

    recovery_codes = serializers.ListField(
        child=serializers.CharField(), help_text="Each is good for one log-in without the app."
    )


class FactorsSerializer(SharedFields):
    """What one's own account has."""

    is_required = serializers.BooleanField(help_text="Whether one can't log in without.")
    is_on = serializers.BooleanField(help_text="Whether an authenticator app is asked for.")
    recovery_codes_left = serializers.IntegerField()


class FinishedLoginSerializer(LoginSerializer):
    """A log-in; with the recovery codes if it has switched the factor on."""

    recovery_codes = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Where this has finished a set-up; shown once.",
    )
