"""One line per request, that nobody but us can begin."""

from typing import Any
from urllib.parse import quote

from gunicorn import glogging


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn is untyped
    """gunicorn's own, with the path as it was sent."""

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
        """Encode the path again: decoded, it could hold a line break and a line of its own."""
        atoms: dict[str, Any] = super().atoms(resp, req, environ, request_time)
        path = quote(environ.get("PATH_INFO", ""), encoding="latin-1")
        # On a socket file nobody has an address.
        return atoms | {"U": path, "h": atoms["h"] or "-"}
