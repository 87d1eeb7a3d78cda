"""The client's address is what the last of our own proxies says."""

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from accounts.clients.addresses import get_address, get_network


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "198.51.100.7", "192.0.2.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "10.0.0.1, 198.51.100.7", "198.51.100.7"),
        (2, "10.0.0.1, 198.51.100.7, 203.0.113.5", "198.51.100.7"),
        (2, "198.51.100.7", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "unknown", "192.0.2.1"),
        (1, "198.51.100.7,", "192.0.2.1"),
        (1, "::ffff:198.51.100.7", "198.51.100.7"),
        (1, "[2001:DB8::1]", "2001:db8::1"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "x" * 100_000, "192.0.2.1"),
    ],
)
def test_address(
    rf: RequestFactory, settings: Settings, proxies: int, forwarded: str, expected: str
) -> None:
    """Entries that the client may have sent are not believed, nor is what is no address."""
    settings.NUM_PROXIES = proxies
    request = rf.get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert get_address(request) == expected


def test_unknown_address(rf: RequestFactory, settings: Settings) -> None:
    """At a socket file there is none, unless a proxy says it."""
    assert get_address(rf.get("/", REMOTE_ADDR="")) == ""
    settings.NUM_PROXIES = 1
    request = rf.get("/", REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="198.51.100.7")
    assert get_address(request) == "198.51.100.7"


def test_one_customer_has_one_limit() -> None:
    """Whatever they choose of the addresses that are theirs."""
    assert get_network("2001:db8:0:1::7") == get_network("2001:db8:0:1:ffff::8")
    assert get_network("2001:db8:0:2::7") != get_network("2001:db8:0:1::7")
    assert get_network("198.51.100.7") == "198.51.100.7"
    assert get_network("") == ""
