"""Parsers of request bodies, with limits."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError
from rest_framework.utils import json

from accounts.errors import RequestTooLarge

# One picture of 5 MB, and the form around it.
MULTIPART_MAX_BYTES = 6 * 1024 * 1024


class JSONParser(parsers.JSONParser):
    """Read JSON; Django has bounded it by DATA_UPLOAD_MAX_MEMORY_SIZE before.

    Refuses what the specification leaves to each reader (RFC 8259, sections 4 and 8.2): names that
    are given twice, and names that aren't Unicode text, so that no answer can repeat them.
    """

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
            return json.loads(stream.read().decode(), object_pairs_hook=_build_object)
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from error


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name is given twice in one object")
    "".join(members).encode()  # a ValueError for half of a surrogate pair
    return members


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
