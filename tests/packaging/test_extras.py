"""Each extra brings what its app needs, and the apps of the others can be left out."""

import re
import secrets
from pathlib import Path
from typing import Final

import pytest

from tests.documents import find_blocks_below
from tests.packaging.another_project import SECRET_CHARACTERS
from tests.packaging.conftest import Distributions, Environment, make_environment, run
from tests.packaging.instructions import Instructions
from tests.servers.redis_server import RedisServer
from tests.servers.stack import PROJECT

PAGE: Final = PROJECT / "docs" / "installation.md"
EXTRA: Final = re.compile(r"; extra: (\w+)$")
"""Ends the line of an app in the README's settings."""
BROUGHT: Final = {
    "": set[str](),
    "redis": {"redis", "django_redis"},
    "jwt": {"rest_framework", "rest_framework_simplejwt"},
    "metrics": {"redis", "django_redis", "prometheus_client", "rich"},
}
OPTIONAL: Final = frozenset[str]().union(*BROUGHT.values())
PROGRAM: Final = """
import importlib.util

import django

django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from usercache.runtime import await_verdict
from usercache.users import get_user_by_id

call_command("check", fail_level="ERROR")
await_verdict()  # until then users come from the database
user = get_user_model().objects.create_user("ida", first_name="Ida")
assert get_user_by_id(user.pk).first_name == "Ida"
with CaptureQueriesContext(connection) as queries:
    assert get_user_by_id(user.pk).first_name == "Ida"
assert not len(queries)
user.first_name = "Ada"
user.save()
assert get_user_by_id(user.pk).first_name == "Ada"
user.delete()
assert get_user_by_id(user.pk) is None
print(*(name for name in OPTIONAL if importlib.util.find_spec(name)))
"""

pytestmark = pytest.mark.packaging


@pytest.fixture(params=BROUGHT)
def extra(request: pytest.FixtureRequest) -> str:
    """Give the core alone, then each extra."""
    return str(request.param)


@pytest.fixture
def installed(extra: str, tmp_path: Path, distributions: Distributions) -> Environment:
    """Install the wheel with one extra."""
    directory = tmp_path / "venv"
    directory.mkdir()
    name = f"django-usercache[{extra}]" if extra else "django-usercache"
    return make_environment(directory, distributions, f'pip install "{name}"')


def test_extra(
    extra: str,
    installed: Environment,
    instructions: Instructions,
    tmp_path: Path,
    redis: RedisServer,
) -> None:
    """Users are looked up with what one extra brings, and nothing else is installed."""
    variables = installed.variables(
        DJANGO_SETTINGS_MODULE="shop.settings",
        REDIS_URL=redis.url,
        USERCACHE_SIGNING_KEY=secrets.token_urlsafe(SECRET_CHARACTERS),
    )
    run("django-admin startproject shop .", tmp_path, variables)
    with (tmp_path / "shop" / "settings.py").open("a") as settings:
        settings.write(_settings(extra, instructions))
    run("python manage.py migrate", tmp_path, variables)
    (tmp_path / "program.py").write_text(PROGRAM.replace("OPTIONAL", repr(sorted(OPTIONAL))))
    found = run("python program.py", tmp_path, variables).splitlines()[-1]
    assert set(found.split()) == BROUGHT[extra]


def _settings(extra: str, instructions: Instructions) -> str:
    lines = instructions.files["settings.py"].splitlines()
    apps = {match[1]: line for line in lines if (match := EXTRA.search(line))}
    assert set(apps) == BROUGHT.keys() - {""}
    if "redis" in BROUGHT[extra]:
        others = {line for name, line in apps.items() if name not in (extra, "redis")}
        return "\n".join(line for line in lines if line not in others)
    [without] = find_blocks_below(PAGE, "Without Redis")
    added = f"\nINSTALLED_APPS += [\n{apps[extra]}\n]\n" if extra else ""
    return without.text + added
