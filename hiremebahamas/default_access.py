"""A check that views are closed unless they say otherwise.

The REST framework reads its settings once. Imported while Django's are being read, it takes its own
defaults: every view is open to everybody, and nothing fails.
"""

from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string
from rest_framework.views import APIView

DEFAULTS: Final = {
    "DEFAULT_AUTHENTICATION_CLASSES": "authentication_classes",
    "DEFAULT_PERMISSION_CLASSES": "permission_classes",
}


def check_default_access(**_kwargs: Any) -> list[CheckMessage]:
    """Check that views have what REST_FRAMEWORK says (E003)."""
    return [
        Error(
            f"Views don't have REST_FRAMEWORK's {name}: the REST framework was imported before the "
            "settings were read.",
            hint="Let settings.py, and what it imports, import nothing of rest_framework.",
            id="hiremebahamas.E003",
        )
        for name, attribute in DEFAULTS.items()
        if _import_all(name) != list(getattr(APIView, attribute))
    ]


def _import_all(name: str) -> list[Any]:
    framework: dict[str, Any] = settings.REST_FRAMEWORK
    return [import_string(path) for path in framework[name]]
