"""`GET /health/cache` and `GET /metrics`."""

from http import HTTPStatus
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client.exposition import choose_encoder

from usercache.bounded import BoundedQuery
from usercache.conf import conf
from usercache.monitoring.access import find_user, has_token, is_near, is_staff
from usercache.monitoring.answers import reads_only, refuse
from usercache.monitoring.metrics import SnapshotCollector
from usercache.outbox import get_backlog
from usercache.report import SHORTEST_WINDOW_SECONDS, as_json, parse_window, take_snapshot

DEFAULT_WINDOW: Final = "1h"

get_backlog_soon: Final = BoundedQuery(get_backlog)


@reads_only
def show_health(request: HttpRequest) -> HttpResponse:
    """Return the snapshot as JSON, of the last hour or of `?window=15m`; for the token or staff."""
    if not has_token(request):
        refusal = _refuse_user(request)
        if refusal is not None:
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
            "latency_ms": snapshot.redis and round(snapshot.redis.latency_ms, 4),
            "stats": as_json(snapshot),
        }
    )


@reads_only
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Return the figures as Prometheus reads them, for the token or from the networks allowed."""
    if not (has_token(request) or is_near(request)):
        return _refuse_scraper()
    snapshot = take_snapshot(SHORTEST_WINDOW_SECONDS, top=0, get_backlog=get_backlog_soon)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(SnapshotCollector(snapshot)), content_type=content_type)


def _refuse_user(request: HttpRequest) -> HttpResponse | None:
    try:
        user = find_user(request)
        if user is not None and is_staff(user):
            return None
    except (OperationalError, InterfaceError):
        return refuse(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "database_unavailable",
            "The database can't say just now who you are. The token of the metrics needs none.",
        )
    if user is None:
        return refuse(
            HTTPStatus.UNAUTHORIZED,
            "not_authenticated",
            "Log in to the admin site, or send an access token of staff or that of the metrics.",
        )
    return refuse(
        HTTPStatus.FORBIDDEN,
        "permission_denied",
        "Only staff with leave to see the dashboard may read this.",
    )


def _refuse_scraper() -> HttpResponse:
    if conf.USERCACHE_METRICS_TOKEN:
        return refuse(
            HTTPStatus.UNAUTHORIZED,
            "not_authenticated",
            "Send the token of the metrics (USERCACHE_METRICS_TOKEN) as a bearer token.",
        )
    return refuse(
        HTTPStatus.FORBIDDEN,
        "permission_denied",
        "Metrics are for those whom USERCACHE_METRICS_TOKEN or USERCACHE_METRICS_NETWORKS lets in.",
    )
