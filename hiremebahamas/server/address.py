"""The address to serve on, a port or a socket file, and whether it is free."""

import re
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

TCP: Final = re.compile(r"(?P<host>[\d.]+|\[[\da-fA-F:.]+\]):(?P<port>\d{1,5})")
UNIX: Final = re.compile("unix:(?P<path>/.+)")
PORT_MAX: Final = 65535


class Address(NamedTuple):
    """One of both: `path` is empty, or `host` and `port` are."""

    host: str = ""
    port: int = 0
    path: str = ""


def parse_address(text: str) -> Address:
    """Parse `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/web.sock`.

    Raises: ValueError for anything else, also for host names, which may mean several addresses.
    """
    if match := UNIX.fullmatch(text):
        return Address(path=match["path"])
    match = TCP.fullmatch(text)
    if not match or not 0 < int(match["port"]) <= PORT_MAX:
        raise ValueError(text)
    return Address(str(ip_address(match["host"].strip("[]"))), int(match["port"]))


def try_address(address: Address) -> None:
    """Listen briefly; remove a socket file without a listener before.

    Raises: OSError if the address can't be used.
    """
    if not address.path:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
            probe.listen()
        return
    path = Path(address.path)
    if path.is_socket() and not _is_answered(path):
        path.unlink()
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(address.path)
    path.unlink()


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True
