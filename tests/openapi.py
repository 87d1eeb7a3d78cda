"""The OpenAPI schema, as tests read it."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, cast

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator


class Operation(NamedTuple):
    """One operation, as in `GET /users/{user_id}`, and what the schema says of it."""

    method: str
    path: str
    description: dict[str, Any]

    @property
    def name(self) -> str:
        """Return its operationId."""
        return str(self.description["operationId"])

    @property
    def media_type(self) -> str | None:
        """Return what its body must be; None if it takes none."""
        return next(iter(self.description.get("requestBody", {}).get("content", ())), None)


@cache
def make_schema() -> dict[str, Any]:
    """Generate it, without a warning."""
    schema: dict[str, Any] = cast(Any, SchemaGenerator)().get_schema(request=None, public=True)
    assert not GENERATOR_STATS
    return schema


def list_operations() -> list[Operation]:
    """Return all that there are."""
    return [
        Operation(method.upper(), path, description)
        for path, methods in make_schema()["paths"].items()
        for method, description in methods.items()
    ]


def list_examples(described: dict[str, Any]) -> Iterator[Any]:
    """Yield the values of the examples of a request's body or of an answer."""
    for content in described.get("content", {}).values():
        for example in content.get("examples", {}).values():
            yield example["value"]
