"""Serializers whose fields are built once."""

from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.utils.serializer_helpers import BindingDict


class SharedFields(serializers.Serializer[Any]):
    """Share the fields among all instances of a class, and all threads.

    DRF builds them for each instance, which took longer than the rest of a warm request. Nothing
    changes them later, and none of them reads its serializer's context.
    """

    @property
    def fields(self) -> BindingDict:
        """The fields by name; not to be changed."""
        return _build_fields(type(self))


@cache
def _build_fields(serializer: type[SharedFields]) -> BindingDict:
    prototype = serializer()
    fields = BindingDict(prototype)
    for name, field in prototype.get_fields().items():
        fields[name] = field
    return fields
