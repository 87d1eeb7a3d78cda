"""One line per request, which no client can forge."""

import logging
from urllib.parse import quote


class Formatter(logging.Formatter):
    """Encode the path again: decoded by granian, it could hold a line break and a forged line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if isinstance(record.args, dict):
            path = quote(str(record.args["path"]))
            # On a socket file clients have no address.
            record.args = record.args | {"path": path, "addr": record.args["addr"] or "-"}
        return super().format(record)
