"""Serializers that refuse unknown fields, for bodies and for query strings."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, cast

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import User
from accounts.serializers.shared_fields import SharedFields

UNKNOWN_FIELD = "There is no such field here. Leave it out."
NOT_A_STRING = "Write this as a string, in quotes."
NOT_A_BOOLEAN = "Write true or false, without quotes."
NOT_A_NUMBER = "Write this as a number, without quotes."
GIVEN_TWICE = "Give this once."
# An answer names what was sent, and must not be larger than it.
MAX_UNKNOWN_NAMES = 10
MAX_UNKNOWN_NAME_LENGTH = 64
# What JSON has for a kind of field; null is the field's own matter.
_JSON_TYPES: Final = (
    (serializers.CharField, str | None, NOT_A_STRING),
    (serializers.BooleanField, bool | None, NOT_A_BOOLEAN),
    (serializers.IntegerField, int | float | None, NOT_A_NUMBER),
)


class StrictSerializer(SharedFields):
    """Refuse unknown fields, and values of another type than the field's.

    DRF would ignore a misspelt field, and take the number 5 for the text "5" and the text "y" for
    true. Of many unknown fields, the first ten are named, and of a long name its beginning.
    """

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the validated values of a request's body.

        Raises: ValidationError naming every field that is wrong.
        """
        body = cls(data=request.data, context={"request": request})
        body.is_valid(raise_exception=True)
        values: dict[str, Any] = body.validated_data
        return values

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values.

        Raises: ValidationError naming every field that is wrong.
        """
        errors = self._find_errors(data) if isinstance(data, Mapping) else {}
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

    def _find_errors(self, data: Mapping[str, Any]) -> dict[str, Any]:
        known = self.fields.keys()
        unknown = [name for name in data if name not in known][:MAX_UNKNOWN_NAMES]
        errors = {_shorten(name): [UNKNOWN_FIELD] for name in unknown}
        for name in known:
            if name in data and (error := self._find_error(data, name)):
                errors[name] = [error]
        return errors

    def _find_error(self, data: Mapping[str, Any], name: str) -> str | None:
        if isinstance(data, QueryDict) and len(data.getlist(name)) > 1:
            return GIVEN_TWICE
        field, value = self.fields[name], data[name]
        if isinstance(data, QueryDict) and isinstance(value, str):
            return None  # there, numbers are text, too
        for kind, types, message in _JSON_TYPES:
            if isinstance(field, kind) and not isinstance(value, types):
                return message
        return None


class QuerySerializer(StrictSerializer):
    """Read query strings, which are never null and need no context: one instance reads them all."""

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the validated values of a request's query string.

        Raises: ValidationError naming every parameter that is wrong.
        """
        values: dict[str, Any] = _reader_of(cls).run_validation(request.query_params)
        return values


@cache
def _reader_of(serializer: type[QuerySerializer]) -> QuerySerializer:
    return serializer()


def _shorten(name: str) -> str:
    if len(name) <= MAX_UNKNOWN_NAME_LENGTH:
        return name
    return f"{name[:MAX_UNKNOWN_NAME_LENGTH]}…"


class ModelText(serializers.CharField):
    """Text that a field of the user model validates and normalises: `ModelText("phone")`."""

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
