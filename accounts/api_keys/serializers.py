"""Serializers of this app's requests and responses."""

from typing import Any, Final

from django.conf import settings
from rest_framework import serializers

from accounts.api_keys.models import NAME_MAX_LENGTH, ApiKey, Scope
from accounts.columns.visible_text import validate_visible
from accounts.serializers.requests import ProofSerializer

DEFAULT_DAYS: Final = 90


class KeyRequestSerializer(ProofSerializer):
    """The body of `POST /auth/api-keys`."""

    name = serializers.CharField(
        max_length=NAME_MAX_LENGTH, validators=[validate_visible], help_text="What it is for."
    )
    scope = serializers.ChoiceField(
        choices=Scope.choices,
        default=Scope.READ,
        # DRF's own repeats what was sent, which may be half a character.
        error_messages={"invalid_choice": "Write read or write."},
        help_text="`write` may read as well.",
    )
    expires_in_days = serializers.IntegerField(
        min_value=1,
        required=False,
        help_text=f"{DEFAULT_DAYS} unless given; at most a year, unless the server says otherwise.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse keys that live too long.

        Raises: ValidationError on `expires_in_days`.
        """
        longest = settings.AUTH_API_KEY_LONGEST_DAYS
        days = attrs.get("expires_in_days", min(DEFAULT_DAYS, longest))
        if days > longest:
            message = f"Ensure this value is less than or equal to {longest}."
            raise serializers.ValidationError({"expires_in_days": message})
        return attrs | {"expires_in_days": days}


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    """An API key, without its secret."""

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "name",
            "scope",
            "created_at",
            "expires_at",
            "last_used_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "What the key has after `hmb_`."},
            "last_used_at": {"help_text": "To five minutes; null if it was never used."},
        }


class NewKeySerializer(KeySerializer):
    """A key that was just made."""

    key = serializers.CharField(help_text="The key itself, which is shown this once.")

    class Meta(KeySerializer.Meta):
        fields = ("key", *KeySerializer.Meta.fields)
        read_only_fields = fields


class KeyListSerializer(serializers.Serializer[Any]):
    """One's own keys that are good, twenty at most."""

    results = KeySerializer(many=True)
