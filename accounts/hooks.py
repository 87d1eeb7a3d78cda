"""What other apps add to accounts, each in its `AppConfig.ready()`."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from accounts.models import User

LOGIN_STEPS: Final[dict[str, Callable[[User], None]]] = {}
"""By the app's name. Each is called with the locked row of a user whose password was right, or what
another app takes instead, before their session starts. It raises a refusal, such as
SecondFactorRequired, if that isn't enough."""

OTHER_LOGINS: Final[dict[str, Callable[[User], bool]]] = {}
"""By the app's name. Each says whether a user can log in without a password, by this app."""

FIRST_PROOFS: Final[dict[str, Callable[[User], None]]] = {}
"""By the app's name. Each is called with the locked row of a user who has shown for the first time
that they read the mail of their address. Until then the account may be somebody else's, who gave an
address that isn't theirs: what logs in without a password, and was added before, has to go."""

CODE_CHECKS: Final[dict[str, Callable[[User, str], None]]] = {}
"""By the app's name. Each is called with the locked row of a user whose password was right, and the
code that was sent; see Note [Proof]. It raises a refusal if that isn't enough."""


class Section(NamedTuple):
    """A part of the export of one's own data: never a secret, nor a hash of one."""

    serializer: Any
    read: Callable[[User], Any]
    """Returns what the serializer takes; a bounded number of rows."""
    example: Any


EXPORT_SECTIONS: Final[dict[str, Section]] = {}
"""By the name in the export."""
