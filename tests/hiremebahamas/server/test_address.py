"""An address is understood, and tried before anybody is told that we serve there."""

import socket
from pathlib import Path

import pytest

from hiremebahamas.server.address import Address, parse_address, try_address
from hiremebahamas.server.preparation import NotReadyError, check_address


def test_addresses() -> None:
    """Of both families, and socket files."""
    assert parse_address("127.0.0.1:80") == Address("127.0.0.1", 80)
    assert parse_address("[::1]:65535") == Address("::1", 65535)
    assert parse_address("unix:/run/web.sock") == Address(path="/run/web.sock")


def test_a_port_that_is_taken() -> None:
    """Is told, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address(*other.getsockname())
        with pytest.raises(NotReadyError, match="WEB_BIND can't be listened on: Address already"):
            check_address(address)
    check_address(address)


def test_a_socket_file_is_removed_if_nobody_listens(tmp_path: Path) -> None:
    """As a killed server leaves it behind; that of a running one stays."""
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(OSError, match="already in use"):
            try_address(Address(path=str(path)))
        assert path.exists()
    try_address(Address(path=str(path)))
    assert not path.exists()
    with pytest.raises(NotReadyError, match="No such file or directory"):
        check_address(Address(path=str(tmp_path / "none" / "web.sock")))
