"""Text that shows what it is: no character that hides, reorders or imitates another's name."""

import unicodedata
from typing import Final

from django.core.exceptions import ValidationError

HIDDEN_CATEGORIES: Final = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Control, format (directions, zero width), surrogates, private use, separators of lines."""
JOINERS: Final = "\u200c\u200d"
"""Parts of words in Persian and Indic scripts, and of emoji."""
BLANKS: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u2800\u3164\uffa0"
)
"""Letters, marks and symbols without a shape. Variation selectors are left: parts of emoji, and of
names in Han script."""
LINE_CHARACTERS: Final = "\n\r\t"


def validate_visible(text: str) -> None:
    """Check one line of text.

    Raises: ValidationError.
    """
    _check(text, allowed=JOINERS)


def validate_visible_lines(text: str) -> None:
    """Check text of several lines.

    Raises: ValidationError.
    """
    _check(text, allowed=JOINERS + LINE_CHARACTERS)


def _check(text: str, *, allowed: str) -> None:
    if text.isascii() and text.isprintable():
        return
    hidden = [char for char in text if _is_hidden(char) and char not in allowed]
    # A joiner joins something on both sides.
    hidden += [char for char in (text[:1], text[-1:]) if char and char in JOINERS]
    if hidden:
        raise ValidationError(
            f"Leave out the character U+{ord(hidden[0]):04X}, which can't be seen.",
            code="invisible",
        )


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in HIDDEN_CATEGORIES or char in BLANKS
