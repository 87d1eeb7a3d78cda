"""`python -m hiremebahamas.server.probe`: exit with 0 if this machine's server is ready.

For health checks of containers whose image has no curl. It asks the address of WEB_BIND, as a
client of the first of ALLOWED_HOSTS.
"""

import http.client
import socket
import sys
from contextlib import closing
from http import HTTPStatus
from typing import Final

from hiremebahamas.environment import env, read_env_file
from hiremebahamas.server.address import Address
from hiremebahamas.server.options import read_options

PATH: Final = "/health/ready"
TIMEOUT_SECONDS: Final = 4.0
"""Less than what the image's HEALTHCHECK allows."""
ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared, not listened on
"""Where to reach a server that listens on all addresses."""


def main() -> None:
    """Print what the server answers, and exit."""
    read_env_file()
    hosts = env.list("ALLOWED_HOSTS", default=[]) or ["localhost"]
    try:
        status, text = ask(read_options().address, hosts[0].lstrip("."))
    except OSError as error:
        status, text = 0, str(error)
    sys.stdout.write(f"{text}\n")
    sys.exit(status != HTTPStatus.OK)


def ask(address: Address, host: str) -> tuple[int, str]:
    """Return status and text.

    Raises: OSError while nobody listens.
    """
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT_SECONDS)
    with closing(connection):
        connection.sock = _connect(address)
        connection.request("GET", PATH)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def _connect(address: Address) -> socket.socket:
    if address.path:
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(TIMEOUT_SECONDS)
        connected.connect(address.path)
        return connected
    reached = ANY_ADDRESS.get(address.host, address.host)
    return socket.create_connection((reached, address.port), TIMEOUT_SECONDS)


if __name__ == "__main__":
    main()
