"""What every endpoint's description in the OpenAPI schema has in common."""

from drf_spectacular.utils import OpenApiResponse

from accounts.representations import ErrorSerializer

FIELD_ERRORS = {
    "type": "object",
    "additionalProperties": {
        "oneOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]
    },
    "example": {"email": ["Enter a valid email address."]},
}

BAD_REQUEST = {
    400: OpenApiResponse(
        FIELD_ERRORS, "What is wrong with which field; `detail` and `code` if it is the whole body."
    )
}
UNAUTHORIZED = {401: OpenApiResponse(ErrorSerializer, "No token, or one that is not good.")}
FORBIDDEN = {403: OpenApiResponse(ErrorSerializer, "Only for admins.")}
NOT_FOUND = {404: OpenApiResponse(ErrorSerializer, "No such user.")}
TOO_LARGE = {413: OpenApiResponse(ErrorSerializer, "The body is too large.")}
UNAVAILABLE = {503: OpenApiResponse(ErrorSerializer, "The database can't be reached just now.")}

READ_ERRORS = UNAUTHORIZED | UNAVAILABLE
WRITE_ERRORS = BAD_REQUEST | UNAUTHORIZED | TOO_LARGE | UNAVAILABLE
