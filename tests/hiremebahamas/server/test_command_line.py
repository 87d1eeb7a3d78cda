"""What granian is told, and what it writes into the access log."""

import json
import logging
import logging.config

import pytest

from hiremebahamas.server.address import Address, parse_address
from hiremebahamas.server.command_line import ACCESS_LOG, LOGGING, format_command
from hiremebahamas.server.options import ServerOptions

OPTIONS = ServerOptions(
    Address("127.0.0.1", 8000), 2, 4, 32, 25, collects_static=True, log_format="text"
)


@pytest.mark.parametrize(
    ("bind", "arguments"),
    [
        ("127.0.0.1:80", "--host 127.0.0.1 --port 80"),
        ("[::1]:8000", "--host ::1 --port 8000"),
        ("unix:/run/web.sock", "--uds /run/web.sock --uds-permissions 0o660"),
    ],
)
def test_addresses(bind: str, arguments: str) -> None:
    """As its command line has them; a socket file is its owner's and group's alone."""
    assert arguments in " ".join(format_command(OPTIONS._replace(address=parse_address(bind))))


def test_numbers() -> None:
    """Each under its own name."""
    command = " ".join(format_command(OPTIONS))
    assert "--workers 2 --backpressure 1024 " in command
    assert "--http1-buffer-size 65536" in command
    assert "--workers-kill-timeout 25" in command


def test_a_line_of_the_access_log_is_one_line() -> None:
    """Whatever the path is; an address that isn't there is a hyphen."""
    formatter = logging.config.DictConfigurator({}).configure_formatter(
        json.loads(LOGGING["text"].read_text())["formatters"]["access"]
    )
    request = {"addr": "", "time": "now", "method": "GET", "path": "/a\n1.2.3.4 é", "protocol": "1"}
    facts = request | {"status": 404, "dt_ms": 1.25, "query_string": "email=alice@example.com"}
    record = logging.LogRecord("granian.access", logging.INFO, "", 0, ACCESS_LOG, (facts,), None)
    line = formatter.format(record)
    assert line.startswith('- now "GET /a%0A1.2.3.4%20%C3%A9 1" 404 1.2 ms')
    assert "alice" not in line
