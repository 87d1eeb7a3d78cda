"""Bodies of answers that only the schema describes as a whole."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from accounts.serializers.responses import (
    ContactProfileSerializer,
    ErrorSerializer,
    PublicProfileSerializer,
)


class ProfileSerializer(PublicProfileSerializer):
    """A user as the caller may see them: with email and phone for oneself and for admins."""

    email = serializers.EmailField(required=False, help_text="For oneself and admins only.")
    phone = serializers.CharField(
        required=False, allow_null=True, help_text="For oneself and admins only."
    )

    class Meta(ContactProfileSerializer.Meta):
        read_only_fields = PublicProfileSerializer.Meta.fields


class FieldErrorsSerializer(serializers.Serializer[Any]):
    """Messages by field; under `non_field_errors`, those of several fields together."""


class FieldErrorsExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # its registry is untyped
    """Describe an object with the names of a request's fields."""

    target_class = FieldErrorsSerializer

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the schema."""
        return {
            "type": "object",
            "description": FieldErrorsSerializer.__doc__,
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        }


BAD_REQUEST = PolymorphicProxySerializer(
    component_name="BadRequest",
    serializers=[ErrorSerializer, FieldErrorsSerializer],
    resource_type_field_name=None,
)
