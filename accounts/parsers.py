"""How request bodies are read, and how much of them."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

from accounts.errors import RequestTooLarge

# One picture of 5 MB, and the form around it.
MULTIPART_MAX_BYTES = 6 * 1024 * 1024


class JSONParser(parsers.JSONParser):
    """Read JSON; Django has bounded it by DATA_UPLOAD_MAX_MEMORY_SIZE before."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the decoded body.

        Raises: ParseError, also for what is nested too deeply for Python's own parser.
        """
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error


class LimitedMultiPartParser(parsers.MultiPartParser):
    """Read a form with one file."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the form's fields and files.

        Raises: RequestTooLarge, before anything is read; ParseError.
        """
        request = (parser_context or {})["request"]
        if int(request.META["CONTENT_LENGTH"]) > MULTIPART_MAX_BYTES:
            raise RequestTooLarge
        return super().parse(stream, media_type, parser_context)
