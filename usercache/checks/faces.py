"""Checks of what the dashboard and the metrics need."""

from ipaddress import ip_network
from typing import Any, Final

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.template import TemplateDoesNotExist
from django.template.loader import get_template

from usercache.conf import conf

SHORTEST_TOKEN: Final = 32
"""Characters; a shorter one could be guessed by whoever may try for long."""
TEMPLATE: Final = "usercache/dashboard.html"


def check_metrics(**_kwargs: Any) -> list[CheckMessage]:
    """Check that nobody is let in to the metrics by mistake (E022, E023)."""
    messages = list[CheckMessage]()
    if 0 < len(conf.USERCACHE_METRICS_TOKEN) < SHORTEST_TOKEN:
        messages.append(
            Error(
                f"USERCACHE_METRICS_TOKEN has fewer than {SHORTEST_TOKEN} characters.",
                hint='python -c "import secrets; print(secrets.token_urlsafe(48))" makes one; '
                "without any, the metrics are closed.",
                id="usercache.E022",
            )
        )
    for network in conf.USERCACHE_METRICS_NETWORKS:
        try:
            ip_network(network)
        except ValueError as error:
            messages.append(
                Error(
                    f"USERCACHE_METRICS_NETWORKS: {error}.",
                    hint="List networks as in 10.0.0.0/8 or fd00::/8, and addresses as they are.",
                    id="usercache.E023",
                )
            )
    return messages


def check_dashboard(**_kwargs: Any) -> list[CheckMessage]:
    """Check that the dashboard finds its template, its styles and its script (W024)."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    messages = list[CheckMessage]()
    if not apps.is_installed("django.contrib.staticfiles"):
        messages.append(
            CheckWarning(
                "The dashboard's styles and script are static files, which nobody collects.",
                hint='Add "django.contrib.staticfiles" to INSTALLED_APPS.',
                id="usercache.W024",
            )
        )
    try:
        get_template(TEMPLATE)
    except TemplateDoesNotExist:
        messages.append(
            CheckWarning(
                f"The dashboard's template {TEMPLATE} isn't found.",
                hint="Set APP_DIRS in TEMPLATES, or add the app_directories loader.",
                id="usercache.W024",
            )
        )
    return messages
