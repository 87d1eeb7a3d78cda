"""The OpenAPI schema describes every endpoint, its errors and its authentication."""

from typing import Any, cast

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from tests.accounts.endpoints import ENDPOINTS


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Generate it, without a warning."""
    generator: Any = cast(Any, SchemaGenerator)()
    schema: dict[str, Any] = generator.get_schema(request=None, public=True)
    assert not GENERATOR_STATS
    return schema


def test_schema_is_valid(schema: dict[str, Any]) -> None:
    """By OpenAPI's own schema."""
    cast(Any, validate_schema)(schema)  # drf-spectacular is untyped


def test_every_endpoint_is_in_it(schema: dict[str, Any]) -> None:
    """Under its path and method, and no other."""
    described = {
        (method.upper(), path.replace("{user_id}", "1"))
        for path, methods in schema["paths"].items()
        for method in methods
    }
    assert described == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_guarded_endpoints_want_a_bearer_token(schema: dict[str, Any]) -> None:
    """And the open ones don't."""
    [(name, scheme)] = schema["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace("/1", "/{user_id}")
        operation = schema["paths"][path][endpoint.method.lower()]
        assert operation["security"] == ([{}] if endpoint.is_open else [{name: []}])
        assert {"401", "503"} <= set(operation["responses"]) or endpoint.is_open
