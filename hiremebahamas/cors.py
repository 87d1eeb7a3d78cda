"""Which pages of other origins may call the API; Note [Cross-origin pages].

Note [Cross-origin pages]
A browser keeps the answers of this server from the scripts of other origins, unless a header names
theirs. Those of CORS_ALLOWED_ORIGINS are named, on the API's paths alone, and may send the cookie
of refresh tokens. So each is trusted with what its users can do, and has to be written out: no `*`,
no pattern, not `null`, which is the origin of every sandboxed frame; and http for this machine
only, or an attacker on a page's way could change its scripts. Without any, the middleware isn't
installed, and costs nothing.
"""

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

MIDDLEWARE: Final = "corsheaders.middleware.CorsMiddleware"
URLS_REGEX: Final = r"^/(auth|users)(/|$)"
REQUEST_HEADERS: Final[tuple[str, ...]] = (
    *("accept", "authorization", "content-type"),
    *("x-refresh-cookie", "x-request-id", "x-user-version"),
)
"""What a page may send besides what every page may."""
RESPONSE_HEADERS: Final[tuple[str, ...]] = ("Retry-After", "X-Request-Id")
"""What it may read."""
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_PLAIN: Final = re.compile(r"(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?")


def check_origins(origins: Iterable[str]) -> list[str]:
    """Return the origins.

    Raises: ImproperlyConfigured naming the first that is none, or stands for more than one.
    """
    origins = list(origins)
    for origin in origins:
        if not _is_origin(origin):
            raise ImproperlyConfigured(
                f"CORS_ALLOWED_ORIGINS has {origin!r}. Write each origin as a browser does, as in "
                "https://www.example.com: https, or http for localhost; no path, no slash at the "
                "end, no upper case, no *."
            )
    return origins


def check_cors(**_kwargs: Any) -> list[CheckMessage]:
    """Check that no page is trusted that nobody has named (E002)."""
    problems = [
        f"{name} lets pages use the session of each of their visitors."
        for name in ("CORS_ALLOW_ALL_ORIGINS", "CORS_ALLOWED_ORIGIN_REGEXES")
        if getattr(settings, name, None)
    ]
    try:
        origins = check_origins(settings.CORS_ALLOWED_ORIGINS)
    except ImproperlyConfigured as error:
        problems.append(str(error))
    else:
        if origins and MIDDLEWARE not in settings.MIDDLEWARE:
            problems.append(f"CORS_ALLOWED_ORIGINS does nothing: MIDDLEWARE has no {MIDDLEWARE}.")
    return [
        Error(problem, hint="Name each origin in CORS_ALLOWED_ORIGINS.", id="hiremebahamas.E002")
        for problem in problems
    ]


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    is_plain = _PLAIN.fullmatch(parts.netloc) is not None
    return is_safe and is_plain and text == f"{parts.scheme}://{parts.netloc}"
