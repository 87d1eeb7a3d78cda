"""Serializers that refuse what they don't know, for bodies and for query strings."""

from collections.abc import Mapping
from typing import Any, cast

from django.http import QueryDict
from rest_framework import serializers

from accounts.models import User

UNKNOWN_FIELD = "There is no such field here. Leave it out."
NOT_A_STRING = "Write this as a string, in quotes."
GIVEN_TWICE = "Give this once."


class StrictSerializer(serializers.Serializer[Any]):
    """Refuse unknown fields, and anything but strings where text is expected.

    DRF would ignore a misspelt field and take the number 5 for the text "5".
    """

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values.

        Raises: ValidationError naming every field that is wrong.
        """
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            errors = {name: [error] for name in data if (error := self._find_error(data, name))}
        # As DRF reads a form, an empty value would pass for an absent one.
        plain = data.dict() if isinstance(data, QueryDict) else data
        try:
            values = super().to_internal_value(plain)
        except serializers.ValidationError as error:
            detail = cast(dict[str, Any], error.detail)
            raise serializers.ValidationError(detail | errors) from error
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def _find_error(self, data: Mapping[str, Any], name: str) -> str | None:
        field = self.fields.get(name)
        if field is None:
            return UNKNOWN_FIELD
        if isinstance(data, QueryDict) and len(data.getlist(name)) > 1:
            return GIVEN_TWICE
        if isinstance(field, serializers.CharField) and not isinstance(data[name], str | None):
            return NOT_A_STRING
        return None


class ModelText(serializers.CharField):
    """Text that a field of the user model checks and spells: `ModelText("phone")`."""

    def __init__(self, model_field_name: str, **kwargs: Any) -> None:
        """Take the limits from the model's field."""
        field: Any = User._meta.get_field(model_field_name)
        self.model_field = field
        super().__init__(
            max_length=field.max_length,
            allow_blank=field.blank,
            allow_null=field.null,
            **kwargs,
        )

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the normal form; None for "" where the model stores NULL."""
        value = super().run_validation(data)
        return None if value == "" and self.model_field.null else value

    def to_internal_value(self, data: Any) -> Any:
        """Return the normal form.

        Raises: ValidationError in the model field's words.
        """
        return self.model_field.clean(super().to_internal_value(data), None)
