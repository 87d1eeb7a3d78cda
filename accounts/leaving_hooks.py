"""What other apps add to leaving: parts of the export, and what an erasure asks for."""

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

ERASURE_STEPS: Final[dict[str, Callable[[User, str], None]]] = {}
"""By the app's name. Each is called with the locked row of a user whose password was right, and the
code that was sent, before the account is erased. It raises a refusal if that isn't enough."""
