"""What drf-spectacular can't see in our serializers of requests; it finds these by their target."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension

CONSTRAINTS: Final[dict[str, dict[str, Any]]] = {
    "email": {"format": "email"},
    "username": {"pattern": "^([A-Za-z0-9._-]{3,30})?$"},
}
"""By the name of the model's field."""


class StrictSerializerExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # its registry is untyped
    """Say that unknown fields are refused."""

    target_class = "accounts.strict.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Close the object."""
        schema: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        return schema | {"additionalProperties": False}


class ModelTextExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # as above
    """Say what the model's field checks."""

    target_class = "accounts.strict.ModelText"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Add what is known of the field."""
        schema: dict[str, Any] = auto_schema._map_serializer_field(
            self.target, direction, bypass_extensions=True
        )
        return schema | CONSTRAINTS.get(self.target.model_field.name, {})
