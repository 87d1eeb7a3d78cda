"""What a log-in asks for besides the password, and instead of it; other apps add to both."""

from collections.abc import Callable
from typing import Final

from accounts.models import User

LOGIN_STEPS: Final[dict[str, Callable[[User], None]]] = {}
"""By the app's name. Each is called with the locked row of a user whose password was right, or what
another app takes instead, before their session starts. It raises a refusal, such as
SecondFactorRequired, if that isn't enough."""

OTHER_LOGINS: Final[dict[str, Callable[[User], bool]]] = {}
"""By the app's name. Each says whether a user can log in without a password, by this app."""
