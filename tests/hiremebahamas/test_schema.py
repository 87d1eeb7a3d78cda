"""The OpenAPI schema is valid, whole, and says who may come in."""

from typing import Any, cast

import pytest
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from tests.accounts.endpoints import ENDPOINTS, KEY_ID, SESSION_ID
from tests.openapi import Operation, list_examples, list_operations, make_schema

for_operations = pytest.mark.parametrize("operation", list_operations(), ids=lambda o: o.name)


def bodies(operation: Operation) -> list[dict[str, Any]]:
    """Return what is said of the request's body and of each answer that has one."""
    described = [
        operation.description.get("requestBody", {}),
        *operation.description["responses"].values(),
    ]
    return [body for body in described if "content" in body]


def _name_parameters(path: str) -> str:
    names = {
        "passkeys/1": "passkeys/{passkey_id}",
        "identities/1": "identities/{identity_id}",
        "/1": "/{user_id}",
        SESSION_ID: "{session_id}",
        KEY_ID: "{key_id}",
    }
    for value, name in names.items():
        path = path.replace(value, name)
    return path


def test_schema_is_valid() -> None:
    """By OpenAPI's own schema, of version 3.1, which leaves out that of its parts."""
    schema = make_schema()
    assert schema["openapi"].startswith("3.1.")
    cast(Any, validate_schema)(schema)  # drf-spectacular is untyped
    for component in schema["components"]["schemas"].values():
        Draft202012Validator.check_schema(component)


def test_every_endpoint_is_in_it() -> None:
    """Under its path and method, and no other."""
    ids = {
        "user_id": 1,
        "passkey_id": 1,
        "identity_id": 1,
        "session_id": SESSION_ID,
        "key_id": KEY_ID,
    }
    described = {
        (operation.method, operation.path.format(**ids)) for operation in list_operations()
    }
    assert described == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


@for_operations
def test_every_operation_is_described(operation: Operation) -> None:
    """With a summary, a sentence, one of the known tags, and a description of each parameter."""
    description = operation.description
    assert description["summary"]
    assert description["description"].endswith(".")
    [tag] = description["tags"]
    assert tag in [known["name"] for known in make_schema()["tags"]]
    assert all(parameter["description"] for parameter in description.get("parameters", ()))


@for_operations
def test_every_body_has_an_example_that_is_valid(operation: Operation) -> None:
    """By its own schema; a picture can't be shown in JSON."""
    for body in bodies(operation):
        [(media_type, content)] = body["content"].items()
        assert (media_type == "multipart/form-data") != any(list_examples(body))
        validator = Draft202012Validator(
            content["schema"] | {"components": make_schema()["components"]}
        )
        for example in list_examples(body):
            validator.validate(example)


def test_guarded_endpoints_want_a_bearer_token() -> None:
    """Or an API key, where that is shown; the open ones ask for nothing."""
    schemes = make_schema()["components"]["securitySchemes"]
    assert schemes.keys() == {"jwtAuth", "apiKeyAuth"}
    scheme = schemes["jwtAuth"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    scheme = schemes["apiKeyAuth"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Authorization")
    is_open = {
        (endpoint.method, _name_parameters(endpoint.path)): endpoint.is_open
        for endpoint in ENDPOINTS
    }
    for method, path, description in list_operations():
        if is_open[method, path]:
            assert "security" not in description
        else:
            takes_keys = "api_key_not_valid" in str(description["responses"]["401"])
            expected = ["jwtAuth", "apiKeyAuth"] if takes_keys else ["jwtAuth"]
            assert description["security"] == [{name: []} for name in expected]
