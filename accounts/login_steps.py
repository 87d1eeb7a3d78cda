"""What a log-in asks for besides the password; other apps add to it."""

from collections.abc import Callable
from typing import Final

from accounts.models import User

LOGIN_STEPS: Final[dict[str, Callable[[User], None]]] = {}
"""By the app's name. Each is called with the locked row of a user whose password was right, before
their session starts. It raises a refusal, such as SecondFactorRequired, if that isn't enough."""
