"""granian's command line.

granian rather than gunicorn: for `GET /auth/verify` from a warm cache, with an access log, it needs
two thirds of the processor time (0.4 ms against 0.6).
"""

from pathlib import Path
from typing import Final

from hiremebahamas.environment import BASE_DIR
from hiremebahamas.server.address import Address
from hiremebahamas.server.options import ServerOptions

# How long an idle connection is kept: longer than in the proxy (deploy/nginx/upstream.conf), so
# that it sends no request on a connection that is being closed. granian allows no more.
KEEP_ALIVE_MILLISECONDS: Final = 60_000
# Of each worker, idle ones included. More than a proxy keeps, and few enough for a process's files.
CONNECTIONS: Final = 1024
# Twice what nginx passes on. Some headers take longer to parse than they are long.
HEADERS_MAX_BYTES: Final = 64 * 1024
# The proxy's user and ours must share a group.
SOCKET_PERMISSIONS: Final = "0o660"
LOGGING: Final = {
    "text": Path(__file__).with_name("logging.json"),
    "json": Path(__file__).with_name("logging_json.json"),
}
"""granian's, by LOG_FORMAT."""
# No query, which may hold emails, and no header, which may hold tokens or anything a client sends.
ACCESS_LOG: Final = '%(addr)s %(time)s "%(method)s %(path)s %(protocol)s" %(status)d %(dt_ms).1f ms'


def format_command(options: ServerOptions) -> list[str]:
    """Return the arguments of the interpreter."""
    return [
        *("-m", "hiremebahamas.server.supervisor", "hiremebahamas.server.worker:application"),
        *("--interface", "rsgi", "--working-dir", str(BASE_DIR)),
        *_format_address(options.address),
        # The proxy handles HTTP/2.
        *("--http", "1", "--no-ws"),
        *("--http1-header-read-timeout", str(KEEP_ALIVE_MILLISECONDS)),
        *("--workers", str(options.workers), "--backpressure", str(CONNECTIONS)),
        "--respawn-failed-workers",
        *("--http1-buffer-size", str(HEADERS_MAX_BYTES)),
        # On SIGTERM no connection is accepted, and open requests may finish.
        *("--workers-kill-timeout", str(options.stop_seconds)),
        *(
            "--access-log",
            "--access-log-fmt",
            ACCESS_LOG,
            "--log-config",
            str(LOGGING[options.log_format]),
        ),
    ]


def _format_address(address: Address) -> tuple[str, ...]:
    if address.path:
        return ("--uds", address.path, "--uds-permissions", SOCKET_PERMISSIONS)
    return ("--host", address.host, "--port", str(address.port))
