"""`GET /health/cache` and `GET /metrics`, and the clients that may read them."""

import hmac
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, cast

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from prometheus_client.exposition import choose_encoder

from usercache.conf import conf
from usercache.management.relay import get_backlog
from usercache.observability.bounded_query import BoundedQuery
from usercache.observability.prometheus import SnapshotCollector
from usercache.observability.snapshot import (
    SHORTEST_WINDOW_SECONDS,
    as_json,
    parse_window,
    take_snapshot,
)

try:
    from rest_framework.exceptions import AuthenticationFailed
    from rest_framework.request import Request
    from rest_framework.settings import api_settings
except ImportError:  # without it, only sessions tell which user asks
    HAS_API = False
else:
    HAS_API = True

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import _AnyUser
    from rest_framework.authentication import BaseAuthentication

METHODS: Final = ("GET", "HEAD")
PROXY_HEADERS: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
PERMISSION: Final = "usercache_observability.view_dashboard"
DEFAULT_WINDOW: Final = "1h"

get_backlog_soon: Final = BoundedQuery(get_backlog)


def refuse(status: HTTPStatus, code: str, detail: str) -> HttpResponse:
    """Return an error in the shape that simplejwt's have: a word for programs, a sentence."""
    response = JsonResponse({"detail": detail, "code": code}, status=status)
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def reads_only(
    view: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let a view answer GET and HEAD without being stored; refuse other methods."""

    @csrf_exempt  # so that a POST, too, hears what is wrong
    @never_cache
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        if request.method in METHODS:
            return view(request)
        response = refuse(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This path doesn't know this method; the Allow header lists those that it does.",
        )
        response.headers["Allow"] = ", ".join(METHODS)
        return response

    return answer


@reads_only
def show_health(request: HttpRequest) -> HttpResponse:
    """Return the snapshot as JSON, of the last hour or of `?window=15m`; for the token or staff."""
    if not _has_token(request) and (refusal := _refuse_user(request)):
        return refusal
    try:
        window_seconds = parse_window(request.GET.get("window", DEFAULT_WINDOW))
    except ValueError as error:
        return refuse(HTTPStatus.BAD_REQUEST, "bad_window", str(error))
    snapshot = take_snapshot(window_seconds, get_backlog=get_backlog_soon)
    return JsonResponse(
        {
            "status": snapshot.status.value,
            "backend": snapshot.backend,
            "latency_ms": snapshot.redis and snapshot.redis.latency_ms,
            "stats": as_json(snapshot),
        }
    )


@reads_only
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics as Prometheus reads them, for the token or from the networks allowed."""
    if not (_has_token(request) or _is_in_known_network(request)):
        if conf.USERCACHE_METRICS_TOKEN:
            said = "Send the token of the metrics (USERCACHE_METRICS_TOKEN) as a bearer token."
            return refuse(HTTPStatus.UNAUTHORIZED, "not_authenticated", said)
        said = (
            "USERCACHE_METRICS_TOKEN and USERCACHE_METRICS_NETWORKS allow clients to read metrics."
        )
        return refuse(HTTPStatus.FORBIDDEN, "permission_denied", said)
    snapshot = take_snapshot(SHORTEST_WINDOW_SECONDS, top=0, get_backlog=get_backlog_soon)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(SnapshotCollector(snapshot)), content_type=content_type)


def _has_token(request: HttpRequest) -> bool:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    token = conf.USERCACHE_METRICS_TOKEN
    if not token or kind.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.encode())


def _is_in_known_network(request: HttpRequest) -> bool:
    # What a proxy passes on comes from the proxy, wherever it began, and is never in one.
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:  # a socket file has none
        return False
    # A server that listens on [::] sees 127.0.0.1 as ::ffff:127.0.0.1.
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in ip_network(network) for network in conf.USERCACHE_METRICS_NETWORKS)


def _find_user(request: HttpRequest) -> "_AnyUser | None":
    # By an access token of the API, or a session of the admin site, which costs two queries.
    if "Authorization" not in request.headers:
        user = getattr(request, "user", None)  # a project may have no sessions
    elif HAS_API:
        kinds = cast(
            "Sequence[type[BaseAuthentication]]", api_settings.DEFAULT_AUTHENTICATION_CLASSES
        )
        try:
            user = Request(request, authenticators=[kind() for kind in kinds]).user
        except AuthenticationFailed:
            return None
    else:
        return None
    return user if getattr(user, "is_authenticated", False) else None


def _refuse_user(request: HttpRequest) -> HttpResponse | None:
    try:
        user = _find_user(request)
        if user is not None and user.is_active and user.is_staff and user.has_perm(PERMISSION):
            return None
    except (OperationalError, InterfaceError):
        said = "The database can't be asked who you are. The token of the metrics needs none."
        return refuse(HTTPStatus.SERVICE_UNAVAILABLE, "database_unavailable", said)
    if user is None:
        said = "Log in to the admin site, or send an access token of staff or that of the metrics."
        return refuse(HTTPStatus.UNAUTHORIZED, "not_authenticated", said)
    said = "Only staff with permission to see the dashboard may read this."
    return refuse(HTTPStatus.FORBIDDEN, "permission_denied", said)
