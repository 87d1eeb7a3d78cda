"""Serializers of this app's requests and responses."""

from typing import Any

from rest_framework import serializers

from accounts.hooks import EXPORT_SECTIONS
from accounts.serializers.requests import ProofSerializer
from accounts.serializers.responses import SessionSerializer, UserSerializer


class AccountClosingSerializer(ProofSerializer):
    """The body of `DELETE /auth/account`."""

    erase = serializers.BooleanField(
        default=False, help_text="Whether to delete everything at once, for good."
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
