"""What schemathesis loads to log in: `SCHEMATHESIS_HOOKS=tests.fuzz.hooks`."""

import os
from itertools import count
from typing import Any

import django
import schemathesis

django.setup()

from accounts.models import User  # noqa: E402  # after Django's set-up, as are the others
from accounts.schema.examples import PASSWORD  # noqa: E402
from tests.cast import Cast, token_of  # noqa: E402

IS_ADMIN = os.environ["FUZZ_ROLE"] == "admin"


@schemathesis.auth(refresh_interval=None)
class Tokens:
    """An access token for each request, so that one that ends its session ends no other's.

    A user who closed their account, or has another password, is followed by another user. Theirs is
    the password of the document's examples, so that these change what they are about.
    """

    def __init__(self) -> None:
        self._cast = Cast(PASSWORD)
        self._numbers = count()
        self._user = self._make()

    def get(self, _case: schemathesis.Case[Any], _context: schemathesis.AuthContext) -> str:
        """Make one for the user as they are in the database."""
        as_made = {"is_active": True, "password": self._cast.password_hash}
        user = User.objects.filter(pk=self._user.pk, **as_made).first()
        self._user = user or self._make()
        return token_of(self._user)

    def set(
        self, case: schemathesis.Case[Any], data: str, _context: schemathesis.AuthContext
    ) -> None:
        """Send it."""
        case.headers["Authorization"] = f"Bearer {data}"

    def _make(self) -> User:
        return self._cast.make(f"fuzz{next(self._numbers)}", is_admin=IS_ADMIN)
