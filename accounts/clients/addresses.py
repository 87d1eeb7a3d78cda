"""The address of a client, also behind proxies: Note [Addresses].

Note [Addresses]
Each proxy adds the address that it was asked from to the end of X-Forwarded-For; a client can send
entries of its own before those. So only the last NUM_PROXIES entries are believed. A request with
fewer came past a proxy, and its header is not believed at all.
"""

from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

SUBNET_BITS: Final = 64
"""The least that a provider gives to a customer. Source: RFC 6177."""


def get_address(request: HttpRequest | Request) -> str:
    """Return the client's address, as in `203.0.113.9`; "" if it isn't known."""
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    proxies: int = settings.NUM_PROXIES
    if 0 < proxies <= len(entries) and (address := _parse(entries[-proxies])):
        return address
    return _parse(request.META.get("REMOTE_ADDR", ""))


def get_network(address: str) -> str:
    """Return what one customer has: an IPv4 address itself, or the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    return str(IPv6Network((address, SUBNET_BITS), strict=False))


def _parse(text: str) -> str:
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address)))  # without a %scope
    return str(address)
