"""Serializers of this app's requests and responses."""

from typing import Any

from rest_framework import serializers

from accounts.leaving_hooks import EXPORT_SECTIONS
from accounts.representations import SessionSerializer, UserSerializer
from accounts.serializers import ProofField
from accounts.strict import StrictSerializer

CODE_MAX_LENGTH = 64


class OwnPasswordSerializer(StrictSerializer):
    """The body of `POST /auth/export`."""

    password = ProofField()


class AccountClosingSerializer(OwnPasswordSerializer):
    """The body of `DELETE /auth/account`."""

    erase = serializers.BooleanField(
        default=False, help_text="Whether to delete everything at once, for good."
    )
    code = serializers.CharField(
        default="",
        allow_blank=True,
        write_only=True,
        max_length=CODE_MAX_LENGTH,
        help_text="Of the second factor, if there is one and everything is to be deleted.",
    )


class ExportSerializer(serializers.Serializer[Any]):
    """All that is kept of an account; `EXPORT_SECTIONS` adds the parts of other apps."""

    exported_at = serializers.DateTimeField()
    profile = UserSerializer()
    last_login = serializers.DateTimeField(allow_null=True)
    sessions = SessionSerializer(many=True, help_text="Those that aren't over, 100 at most.")

    def get_fields(self) -> dict[str, Any]:
        """Return the fields with those of other apps."""
        return super().get_fields() | {
            name: section.serializer() for name, section in sorted(EXPORT_SECTIONS.items())
        }
