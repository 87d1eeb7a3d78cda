"""Who may read the figures over HTTP: who has the token, who asks from here, and staff."""

import hmac
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final, cast

from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from usercache.authentication import CachedJWTAuthentication
from usercache.conf import conf

if TYPE_CHECKING:
    from django.contrib.auth.models import _AnyUser

PROXY_HEADERS: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
PERMISSION: Final = "usercache.view_dashboard"
_BEARER: Final = "bearer"


def has_token(request: HttpRequest) -> bool:
    """Say whether the request carries USERCACHE_METRICS_TOKEN; asks nobody."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    token = conf.USERCACHE_METRICS_TOKEN
    if not token or kind.lower() != _BEARER:
        return False
    return hmac.compare_digest(given.strip().encode(), token.encode())


def is_near(request: HttpRequest) -> bool:
    """Say whether the request comes straight from one of USERCACHE_METRICS_NETWORKS.

    What a proxy passes on comes from the proxy, wherever it began, and is never near.
    """
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:  # a socket file has none
        return False
    return any(
        _plain(address) in ip_network(network) for network in conf.USERCACHE_METRICS_NETWORKS
    )


def find_user(request: HttpRequest) -> "_AnyUser | None":
    """Return who asks, by an access token of the API or a session of the admin site.

    None for nobody, and for a token that isn't good. A session costs two queries.
    """
    if "Authorization" not in request.headers:
        user = getattr(request, "user", None)  # a project may have no sessions
        return user if user is not None and user.is_authenticated else None
    try:
        found = CachedJWTAuthentication().authenticate(Request(request))
    except AuthenticationFailed:
        return None
    return None if found is None else cast("_AnyUser", found[0])


def is_staff(user: "_AnyUser") -> bool:
    """Say whether a user may see the dashboard."""
    return user.is_active and user.is_staff and user.has_perm(PERMISSION)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    # A server that listens on [::] sees 127.0.0.1 as ::ffff:127.0.0.1.
    return getattr(address, "ipv4_mapped", None) or address
