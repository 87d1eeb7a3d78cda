"""What every endpoint's description in the OpenAPI schema has in common."""

from drf_spectacular.utils import OpenApiResponse

from accounts.representations import ErrorSerializer, FieldErrorsSerializer

BAD_REQUEST = {400: OpenApiResponse(FieldErrorsSerializer, "What is wrong with which field.")}
UNAUTHORIZED = {401: OpenApiResponse(ErrorSerializer, "No token, or one that is not good.")}
FORBIDDEN = {403: OpenApiResponse(ErrorSerializer, "Only for admins.")}
NOT_FOUND = {404: OpenApiResponse(ErrorSerializer, "No such user.")}
TOO_LARGE = {413: OpenApiResponse(ErrorSerializer, "The body is too large.")}
UNAVAILABLE = {503: OpenApiResponse(ErrorSerializer, "The database can't be reached just now.")}

READ_ERRORS = UNAUTHORIZED | UNAVAILABLE
WRITE_ERRORS = BAD_REQUEST | UNAUTHORIZED | TOO_LARGE | UNAVAILABLE
