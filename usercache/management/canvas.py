"""The output of a command, drawn with colours and boxes or as plain lines."""

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console


class Canvas:
    """An output stream and its abilities."""

    def __init__(
        self, stream: TextIO, environ: Mapping[str, str], *, color: bool | None = None
    ) -> None:
        """Detect the abilities; `color` forces colours on or off, None detects them."""
        self.is_terminal = bool(color) or stream.isatty()
        self.is_ascii = not _encodes_unicode(stream) or _is_c_locale(environ)
        self.stream = stream
        self._color = color

    @cached_property
    def console(self) -> "Console":
        """Rich's console on the stream, for commands that draw; needs django-usercache[metrics]."""
        from rich.console import Console  # noqa: PLC0415  # only they need it

        return Console(
            file=self.stream,
            force_terminal=self.is_terminal,
            no_color=True if self._color is False else None,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def clean(self, text: str) -> str:
        """Return the text without control characters, and in ASCII if the stream needs it."""
        printable = "".join(c if c.isprintable() else "?" for c in text)
        if self.is_ascii:
            return printable.replace("µ", "u").encode("ascii", "replace").decode()
        return printable


def open_canvas(options: Mapping[str, Any], *, stream: TextIO | None = None) -> Canvas:
    """Return the canvas for a management command's options; standard output by default."""
    color = False if options.get("no_color") else True if options.get("force_color") else None
    return Canvas(stream or options.get("stdout") or sys.stdout, os.environ, color=color)


def _encodes_unicode(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def _is_c_locale(environ: Mapping[str, str]) -> bool:
    # Python itself may have turned C into C.UTF-8 (PEP 538), in LC_CTYPE; LANG=C says
    # what the terminal can show, not how Python reads files.
    chosen = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if chosen == "C.UTF-8" and not environ.get("LC_ALL"):
        chosen = environ.get("LANG") or chosen
    return chosen in ("C", "POSIX")
