"""The version of a user that a request's caller has seen, as `X-User-Version: 7`."""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError

from usercache.conf import conf

HEADER: Final = "X-User-Version"
VARIABLE: Final = "HTTP_X_USER_VERSION"
"""Its name in a WSGI environment."""
RETRY_SECONDS: Final = 1
LARGEST: Final = 2**63 - 1
"""Of PostgreSQL's bigint."""
_VERSION: Final = re.compile(r"[0-9]{1,19}")


class VersionNotFound(APIException):
    """The caller has seen a later version than the database has."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = _("The database doesn't have this version of the user. Try again.")
    default_code = "version_not_found"
    wait = RETRY_SECONDS
    """Sent as Retry-After."""


def read_version(environ: Mapping[str, Any]) -> int:
    """Return the version that a request names; 0 if it names none, or there are none.

    Raises:
        ParseError: it is no whole number up to 2^63 - 1 (400).
    """
    text = environ.get(VARIABLE)
    if not text or not conf.USERCACHE_VERSION_FIELD:
        return 0
    if _VERSION.fullmatch(text) and (version := int(text)) <= LARGEST:
        return version
    raise ParseError(_("X-User-Version must be a whole number."), code="invalid_version")
