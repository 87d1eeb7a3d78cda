"""Where the request of this thread comes from: `record()` is called where no request is at hand."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from django.core.signals import request_started
from django.http import HttpRequest, HttpResponse

from accounts.clients.devices import UNKNOWN_DEVICE, Device, get_device

_REQUEST: Final = ContextVar[HttpRequest | Mapping[str, Any] | None]("request", default=None)
"""Of the thread's last request, what NAMES picks; on the admin site, the request itself."""
NAMES: Final = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_USER_AGENT")


class Origin(NamedTuple):
    """Where a change comes from."""

    device: Device
    actor_id: int | None
    """The user who is logged in to the admin site."""


def find_origin() -> Origin:
    """Return where the change that is being made comes from; nothing is known in a command."""
    request = _REQUEST.get()
    if request is None:
        return Origin(UNKNOWN_DEVICE, None)
    if isinstance(request, HttpRequest):
        user = getattr(request, "user", None)
        return Origin(get_device(request), None if user is None else user.pk)
    bare = HttpRequest()
    bare.META = dict(request)
    return Origin(get_device(bare), None)


class OriginMiddleware:
    """Let the admin site's events name the admin; after AuthenticationMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Stand before the rest."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Keep the request, whose user is found when an event is recorded."""
        token = _REQUEST.set(request)
        try:
            return self.get_response(request)
        finally:
            _REQUEST.reset(token)


def connect() -> None:
    """Keep where each request is from, until the thread's next one."""
    request_started.connect(_keep, dispatch_uid="accounts.security_log")


def _keep(*, environ: Mapping[str, Any] | None = None, **_kwargs: Any) -> None:
    # Not all of it: its body and its credentials would stay for as long.
    _REQUEST.set(environ and {name: environ[name] for name in NAMES if name in environ})
