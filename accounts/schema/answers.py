"""How an answer is described: when all goes well, and when not."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.exceptions import APIException

from accounts.representations import ErrorSerializer
from accounts.schema.components import BAD_REQUEST

Responses = dict[int, OpenApiResponse]


class Refusal(NamedTuple):
    """An answer with `code` and `detail`."""

    code: str
    detail: str

    def as_example(self) -> OpenApiExample:
        """Return the body, under the name of its code."""
        return OpenApiExample(self.code, {"detail": self.detail, "code": self.code})


def from_error(error: type[APIException]) -> Refusal:
    """Return what the exception says where it is raised without words of its own."""
    return Refusal(error.default_code, str(error.default_detail))


def refuse(status_code: int, description: str, *refusals: Refusal) -> Responses:
    """Describe an error with all the codes that it may have."""
    examples = [refusal.as_example() for refusal in refusals]
    return {status_code: OpenApiResponse(ErrorSerializer, description, examples)}


def refuse_fields(errors: Mapping[str, list[str]], *refusals: Refusal) -> Responses:
    """Describe a 400: messages by field, and what may be wrong with the whole body."""
    fields = OpenApiExample("fields", dict(errors), summary="by field")
    examples = [fields, *(refusal.as_example() for refusal in refusals)]
    description = "Messages by field; `detail` and `code` where it is the whole request."
    return {400: OpenApiResponse(BAD_REQUEST, description, examples)}


def refuse_media_type(expected: str) -> Responses:
    """Describe the 415 of an operation that takes bodies of this type alone."""
    refusal = Refusal("unsupported_media_type", 'Unsupported media type "text/plain" in request.')
    return refuse(415, f"The body is not {expected}.", refusal)


def answer(status_code: int, description: str, body: Any, *refusals: Responses) -> Responses:
    """Return all answers of an operation, by status; `body` is the serializer of the good one."""
    answers = {status_code: OpenApiResponse(body, description)}
    for responses in refusals:
        answers |= responses
    return dict(sorted(answers.items()))


def exchange(name: str, request: Mapping[str, Any] | None, response: Any) -> list[OpenApiExample]:
    """Return a request, if it has a body, and its answer as examples."""
    sent = [] if request is None else [OpenApiExample(name, dict(request), request_only=True)]
    received = OpenApiExample(name, response, response_only=True, status_codes=["200", "201"])
    return [*sent, received]
