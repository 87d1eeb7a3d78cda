"""The choice of a renderer by a request's Accept header."""

from collections.abc import Sequence
from typing import Any, Final

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

ANYTHING: Final = "*/*"


class ContentNegotiation(DefaultContentNegotiation):
    """DRF's negotiation, which parses no header that is sure to choose the first renderer.

    That is none, or one that asks for anything or for its media type first, as in
    `application/json, text/plain, */*`.
    """

    def select_renderer(  # type: ignore[override]  # the stubs ask for lists
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and the media type that it is to render.

        Raises:
            NotAcceptable: the client accepts none of them (406).
        """
        renderer = renderers[0]
        media_type = str(renderer.media_type)
        accept = request._request.META.get("HTTP_ACCEPT", ANYTHING)
        if format_suffix is None and _asks_for(media_type, accept):
            return renderer, media_type
        chosen: Any = super().select_renderer(request, renderers, format_suffix)
        return chosen[0], chosen[1]


def _asks_for(media_type: str, accept: str) -> bool:
    if accept in (ANYTHING, media_type):
        return True
    # A parameter, such as `indent` or `q`, could make another entry the better one.
    return accept.startswith(f"{media_type},") and ";" not in accept
