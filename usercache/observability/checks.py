"""Checks of what the dashboard and the metrics need."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any, Final

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.template import TemplateDoesNotExist
from django.template.loader import get_template

from usercache.conf import conf
from usercache.observability.observers import can_trace

SHORTEST_TOKEN: Final = 32  # characters; a shorter one could be guessed, given time
TEMPLATE: Final = "usercache/dashboard.html"


def check_metrics() -> Iterator[CheckMessage]:
    """Check that the metrics are not open by mistake (E022, E023)."""
    if 0 < len(conf.USERCACHE_METRICS_TOKEN) < SHORTEST_TOKEN:
        said = f"USERCACHE_METRICS_TOKEN has fewer than {SHORTEST_TOKEN} characters."
        hint = (
            'python -c "import secrets; print(secrets.token_urlsafe(48))" makes one; '
            "without any, the metrics are closed."
        )
        yield Error(said, hint, id="usercache.E022")
    for network in conf.USERCACHE_METRICS_NETWORKS:
        try:
            ip_network(network)
        except ValueError as error:
            hint = "List networks as in 10.0.0.0/8 or fd00::/8, and addresses as they are."
            yield Error(f"USERCACHE_METRICS_NETWORKS: {error}.", hint, id="usercache.E023")


def check_dashboard() -> Iterator[CheckMessage]:
    """Check that the dashboard finds its template, its styles and its script (W024)."""
    if not apps.is_installed("django.contrib.admin"):
        return
    if not apps.is_installed("django.contrib.staticfiles"):
        said = "The dashboard's styles and script are static files, which nothing collects."
        hint = 'Add "django.contrib.staticfiles" to INSTALLED_APPS.'
        yield CheckWarning(said, hint, id="usercache.W024")
    try:
        get_template(TEMPLATE)
    except TemplateDoesNotExist:
        hint = "Set APP_DIRS in TEMPLATES, or add the app_directories loader."
        said = f"The dashboard's template {TEMPLATE} isn't found."
        yield CheckWarning(said, hint, id="usercache.W024")


def check_tracing() -> Iterator[CheckMessage]:
    """Check that spans can be made where they are asked for (W025)."""
    if conf.USERCACHE_TRACING and not can_trace():
        said = "USERCACHE_TRACING is on, and there is no OpenTelemetry: no spans are made."
        hint = "Install opentelemetry-api and what sends the spans, or switch it off."
        yield CheckWarning(said, hint, id="usercache.W025")


def check(**_kwargs: Any) -> list[CheckMessage]:
    """Check all of these."""
    return [*check_metrics(), *check_dashboard(), *check_tracing()]
