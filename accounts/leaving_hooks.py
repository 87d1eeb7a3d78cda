"""What other apps add to leaving: parts of the export."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from accounts.models import User


class Section(NamedTuple):
    """A part of the export of one's own data: never a secret, nor a hash of one."""

    serializer: Any
    read: Callable[[User], Any]
    """Returns what the serializer takes; a bounded number of rows."""
    example: Any


EXPORT_SECTIONS: Final[dict[str, Section]] = {}
"""By the name in the export."""
