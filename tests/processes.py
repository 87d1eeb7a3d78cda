"""Other processes of the product, on the databases of this test run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.db import connection

ANSWER_SECONDS = 120


def environment(**settings: str) -> dict[str, str]:
    """Return an environment in which the product uses the databases that the test does."""
    url = _test_database_url()
    urls = {"DATABASE_URL": url}
    if direct := os.environ.get("DATABASE_DIRECT_URL"):
        urls["DATABASE_DIRECT_URL"] = urlsplit(direct)._replace(path=urlsplit(url).path).geturl()
    return os.environ | urls | settings


@contextmanager
def python(program: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program with Django set up; it is killed when the block ends."""
    code = f"import django; django.setup()\n{program}"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(**settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _test_database_url() -> str:
    parameters = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{parameters['NAME']}"
    login = f"{parameters['USER']}:{parameters['PASSWORD']}".rstrip(":")
    return f"postgres://{login}@{parameters['HOST']}:{parameters['PORT']}/{parameters['NAME']}"
