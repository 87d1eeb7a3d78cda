"""The environment of the fleet's processes: one set of keys and databases for all of them."""

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.limits import LIFTED
from tests.servers.stack import PROJECT

KEY_BYTES = 48
KEYS = (
    "SECRET_KEY",
    "JWT_SIGNING_KEY",
    "USERCACHE_SIGNING_KEY",
    "USERCACHE_FORWARD_SIGNING_KEY",
    "SECOND_FACTOR_KEY",
)
COMMAND_SECONDS = 180


def make_environment(directory: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """Return the variables of a production server on these databases, with new keys."""
    return {
        **os.environ,
        **{key: secrets.token_urlsafe(KEY_BYTES) for key in KEYS},
        "USERCACHE_METRICS_TOKEN": secrets.token_urlsafe(KEY_BYTES),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DEBUG": "False",
        "ENV_FILE": "",
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECURE_SSL_REDIRECT": "False",  # as behind a proxy that does it
        "MEDIA_ROOT": str(directory / "media"),
        "AUTH_LIMITS": LIFTED,  # all clients have one address
    }


def migrate(environment: Mapping[str, str], checkout: Path = PROJECT) -> None:
    """Make the tables, and what else a migration makes, as the code of `checkout` has them."""
    _manage(environment, checkout, "migrate")


def collect_static_files(environment: Mapping[str, str]) -> None:
    """Collect the static files into STATIC_ROOT."""
    _manage(environment, PROJECT, "collectstatic", "--no-input")


def _manage(environment: Mapping[str, str], checkout: Path, *command: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", *command, "--verbosity", "0"],
        cwd=checkout,
        env=environment,
        check=True,
        timeout=COMMAND_SECONDS,
    )
