"""JSON as DRF's renderer writes it, without setting an encoder up for every answer."""

from collections.abc import Mapping
from typing import Any, Final

from rest_framework import renderers
from rest_framework.compat import SHORT_SEPARATORS

LINE_SEPARATORS: Final = {"\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Escaped as DRF does it: JavaScript before 2019 took them for ends of lines."""
_ENCODER: Final = renderers.JSONRenderer.encoder_class(
    ensure_ascii=False, allow_nan=False, separators=SHORT_SEPARATORS
)


class JSONRenderer(renderers.JSONRenderer):
    """Render compact JSON; `Accept: application/json; indent=4` gets DRF's indented."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the JSON; nothing for None."""
        if accepted_media_type != self.media_type or data is None:
            rendered: bytes = super().render(data, accepted_media_type, renderer_context)
            return rendered
        text = _ENCODER.encode(data)
        for character, escaped in LINE_SEPARATORS.items():
            text = text.replace(character, escaped)
        return text.encode()
