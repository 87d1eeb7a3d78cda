"""One line per request, that nobody but us can begin."""

import logging
from urllib.parse import quote


class Formatter(logging.Formatter):
    """Encodes the path again: granian decodes it, and it could hold a line break and a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if isinstance(record.args, dict):
            path = quote(str(record.args["path"]))
            # On a socket file nobody has an address.
            record.args = record.args | {"path": path, "addr": record.args["addr"] or "-"}
        return super().format(record)
