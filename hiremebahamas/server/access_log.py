"""One line per request, which no client can forge."""

import json
import logging
from urllib.parse import quote

from hiremebahamas.log_lines import Formatter as LineFormatter


class Formatter(logging.Formatter):
    """Encode the path again: decoded by granian, it could hold a line break and a forged line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if isinstance(record.args, dict):
            path = quote(str(record.args["path"]))
            # On a socket file clients have no address.
            record.args = record.args | {"path": path, "addr": record.args["addr"] or "-"}
        return super().format(record)


class JSONFormatter(LineFormatter):
    """The same as JSON, without the client's address, which is personal data."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = record.args if isinstance(record.args, dict) else {}
        line = {"time": self.formatTime(record), "level": record.levelname, "logger": "access"}
        answer = {name: told.get(name) for name in ("method", "path", "status", "dt_ms")}
        return json.dumps(line | answer | {"pid": record.process})
