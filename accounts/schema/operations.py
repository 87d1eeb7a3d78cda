"""The description of one operation: parameters, body, responses, and the common errors."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)

from accounts.columns.fields import LARGEST_INTEGER
from accounts.schema.refusals import (
    NOT_ACCEPTABLE,
    TOO_LARGE,
    TOO_MANY_ATTEMPTS,
    UNAUTHENTICATED,
    UNAUTHENTICATED_OR_KEY,
    UNAVAILABLE,
    Refusal,
    Responses,
    refuse_fields,
    refuse_media_type,
)
from accounts.serializers.responses import DetailSerializer, TokenPairSerializer
from accounts.tokens.refresh_cookies import HEADER

View = TypeVar("View", bound=Callable[..., Any])

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
_UNREADABLE: Final = {
    JSON: Refusal(
        400, "parse_error", "JSON parse error - Expecting value: line 1 column 1 (char 0)"
    ),
    FORM: Refusal(
        400, "parse_error", "Multipart form parse error - Invalid boundary in multipart: None"
    ),
}
"""The answer to a body that can't be parsed, by media type."""


class Body(NamedTuple):
    """A request's body, with an example and the messages that a bad one is answered with."""

    serializer: Any
    example: Mapping[str, Any] | None
    """None for a form, which JSON can't show."""
    errors: Mapping[str, list[str]]
    media_type: str = JSON


class Answer(NamedTuple):
    """The answer when all goes well."""

    description: str
    serializer: Any
    example: Any = None
    """None where the operation names examples of its own, or there is no body."""
    status_code: int = 200


def no_content(description: str) -> Answer:
    """Return the answer without a body."""
    return Answer(description, None, status_code=204)


def sentence(description: str, detail: str, status_code: int = 200) -> Answer:
    """Return the answer that is one sentence for people."""
    return Answer(description, DetailSerializer, {"detail": detail}, status_code)


class Parameters(NamedTuple):
    """The parameters of path and query, with examples, and the messages for a bad query."""

    described: Sequence[Any]
    examples: Sequence[OpenApiExample] = ()
    errors: Mapping[str, list[str]] | None = None


NO_PARAMETERS: Final = Parameters(())
ROW_ID: Final = {
    "type": "integer",
    "format": "int64",
    "minimum": 1,
    "maximum": LARGEST_INTEGER,
}
COOKIE_HEADER: Final = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="For browser apps. Whatever its value, the refresh token is in a cookie, and not "
    "in the answer.",
)


def path_parameter(
    name: str, description: str, example: object, schema: Mapping[str, Any] = ROW_ID
) -> OpenApiParameter:
    """Describe the id in a path."""
    examples = [OpenApiExample("Grace", example)]
    return OpenApiParameter(
        name, dict(schema), OpenApiParameter.PATH, description=description, examples=examples
    )


def operation(
    name: str,
    tag: str,
    summary: str,
    description: str,
    *refusals: Responses,
    answer: Answer,
    body: Body | None = None,
    parameters: Parameters = NO_PARAMETERS,
    is_open: bool = False,
    takes_keys: bool = False,
) -> Callable[[View], View]:
    """Return the decorator that describes a view's method.

    `refusals` are the errors of this operation alone. Unless `is_open`, it wants an access token,
    or an API key if it `takes_keys`.
    """
    extras: dict[str, Any] = {"request": None}
    responses = {answer.status_code: OpenApiResponse(answer.serializer, answer.description)}
    responses |= NOT_ACCEPTABLE | UNAVAILABLE
    examples = list(parameters.examples)
    if not is_open:
        responses |= UNAUTHENTICATED
    if takes_keys:
        responses |= UNAUTHENTICATED_OR_KEY | TOO_MANY_ATTEMPTS
    described = list(parameters.described)
    if isinstance(answer.serializer, type) and issubclass(answer.serializer, TokenPairSerializer):
        described.append(COOKIE_HEADER)
    if described:
        extras["parameters"] = described
    if parameters.errors:
        responses |= refuse_fields(parameters.errors)
    if body is not None:
        kind = body.media_type
        extras["request"] = body.serializer if kind == JSON else {kind: body.serializer}
        responses |= refuse_fields(body.errors, _UNREADABLE[kind])
        responses |= TOO_LARGE | refuse_media_type(kind)
        if body.example is not None:
            examples.append(OpenApiExample("Grace", dict(body.example), request_only=True))
    if answer.example is not None:
        codes = [str(answer.status_code)]
        examples.append(
            OpenApiExample("Grace", answer.example, response_only=True, status_codes=codes)
        )
    for refusal in refusals:
        responses |= refusal
    return extend_schema(
        operation_id=name,
        tags=[tag],
        summary=summary,
        description=description,
        examples=examples,
        responses=dict(sorted(responses.items())),
        **extras,
    )


open_operation: Final = partial(operation, is_open=True)
keyed_operation: Final = partial(operation, takes_keys=True)
