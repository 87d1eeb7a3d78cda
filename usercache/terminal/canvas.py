"""Where a command's output goes, and what can be shown there: colours, boxes, or plain lines."""

import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console


class Canvas:
    """An output stream, and what it is known to show."""

    def __init__(
        self, stream: TextIO, environ: Mapping[str, str], *, color: bool | None = None
    ) -> None:
        """Find out; `color` is what the caller wants, None for what the stream can."""
        self.is_terminal = bool(color) or stream.isatty()
        self.is_ascii = not _encodes_unicode(stream) or _is_c_locale(environ)
        self.stream = stream
        self.console = Console(
            file=stream,
            force_terminal=self.is_terminal,
            no_color=True if color is False else None,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def clean(self, text: str) -> str:
        """Return the text without what could steer a terminal, or can't be shown here."""
        printable = "".join(c if c.isprintable() else "?" for c in text)
        return printable.encode("ascii", "replace").decode() if self.is_ascii else printable


def open_canvas(options: Mapping[str, Any], *, stream: TextIO | None = None) -> Canvas:
    """Return the canvas of a management command's options; standard output unless they say else."""
    color = False if options.get("no_color") else True if options.get("force_color") else None
    return Canvas(stream or options.get("stdout") or sys.stdout, os.environ, color=color)


def _encodes_unicode(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def _is_c_locale(environ: Mapping[str, str]) -> bool:
    # Python itself may have turned C into C.UTF-8 (PEP 538), in LC_CTYPE; whoever says LANG=C means
    # his terminal, not Python's files.
    chosen = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if chosen == "C.UTF-8" and not environ.get("LC_ALL"):
        chosen = environ.get("LANG") or chosen
    return chosen in ("C", "POSIX")
