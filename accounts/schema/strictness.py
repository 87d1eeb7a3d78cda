"""Extensions that describe our serializers of requests; drf-spectacular finds them by target."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiSerializerExtension

from accounts.columns.fields import USERNAME_MAX_LENGTH, USERNAME_MIN_LENGTH
from accounts.serializers.strict import ModelText

CONSTRAINTS: Final[dict[str, dict[str, Any]]] = {
    "email": {"format": "email"},
    "username": {"pattern": f"^([A-Za-z0-9._-]{{{USERNAME_MIN_LENGTH},{USERNAME_MAX_LENGTH}}})?$"},
}
"""The validation of the model's fields, by their names."""


class StrictSerializerExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # its registry is untyped
    """Describe that unknown fields are refused, and the validation of the others."""

    target_class = "accounts.serializers.strict.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Close the object and complete its fields."""
        schema: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        for name, field in self.target.fields.items():
            # Not in an extension for the field, after which "null" would be among its types twice.
            if isinstance(field, ModelText):
                schema["properties"][name] |= CONSTRAINTS.get(field.model_field.name, {})
        return schema | {"additionalProperties": False}
