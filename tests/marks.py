"""Marks for tests of several folders."""

from typing import Final

import pytest

EMPTIED: Final = ["accounts", "usercache", "django.contrib.admin", "django.contrib.sessions"]
ROWS_STAY: Final = pytest.mark.django_db(transaction=True, available_apps=EMPTIED)
"""Empty only these apps' tables after a test: of others, a server of the session knows the ids."""
