"""The suites that `make compat` runs, and why some of their tests may fail."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

from tests.compat.redis_caches import cluster, plain, sentinels

Serve = Callable[[Path], AbstractContextManager[str]]
"""Starts servers with their files in a folder, and gives the text of a settings module."""


class Caches(NamedTuple):
    """Settings that lead to servers: the package's own ones, and ours."""

    path: str
    """Of the settings module, below the distribution's folder."""
    theirs: Serve
    ours: Serve


class Suite(NamedTuple):
    """A package with tests in its source distribution."""

    requirement: str
    needs: tuple[str, ...]
    tests: str
    """Their folder, below that of the distribution."""
    settings: str = ""
    """The settings module; "" if a conftest.py has the settings."""
    extra: str = "jwt"
    """Of django-usercache."""
    plugin: str = "auth_plugin"
    select: str = ""
    """Which tests, as pytest's -k takes it."""
    caches: Caches | None = None
    explained: Mapping[str, str] = {}
    """Why a test fails with ours that isn't our fault, by a regular expression of its name."""


DJANGO_REDIS: Final = Suite(
    "django-redis==7.0.0",
    ("msgpack==1.2.3", "lz4==4.4.5", "pytest-mock==3.17.0", "pytest-xdist==3.8.0"),
    "tests",
    extra="redis",
    plugin="redis_plugin",
    # Of its parameters the first: the others choose serializers and compressors.
    select="sqlite] or not [",
)
SQLITE: Final = "tests/settings/sqlite.py"
SUITES: Final = {
    "simplejwt": Suite(
        "djangorestframework_simplejwt==5.5.1",
        (
            "cryptography==50.0.2",
            "python-jose==3.5.0",
            "freezegun==1.5.5",
            "python-dateutil==4.0.0",
        ),
        "tests",
    ),
    "dj-rest-auth": Suite(
        "dj-rest-auth==7.2.0",
        ("django-allauth[socialaccount,mfa]==65.22.1", "responses==0.26.3", "pyotp==2.12.1"),
        "dj_rest_auth/tests",
        "tests.settings",
    ),
    "rest-framework": Suite(
        "djangorestframework==3.18.3",
        ("dj-database-url==3.1.2", "requests==2.34.2"),
        "tests",
        explained={
            r"test_post_json_makes_one_db_query": (
                "it has a token and its user joined in one query; of a user who isn't cached, as "
                "inside a test's transaction, ours asks by another"
            )
        },
    ),
    "allauth": Suite(
        "django-allauth[headless,headless-spec,idp-oidc,mfa,openid,saml,socialaccount,steam]==65.22.1",
        (
            *("pytest-asyncio==1.3.0", "psycopg[binary]==3.3.9"),
            *("djangorestframework==3.18.3", "django-ninja==1.7.1"),
        ),
        "tests",
        "tests.projects.regular.settings",
        # Of other companies' accounts, and of those that an application offers to others.
        select="not socialaccount and not idp",
    ),
    "redis-cluster": DJANGO_REDIS._replace(
        caches=Caches(SQLITE, plain, cluster),
        explained={
            r"test_s(diff|inter|union|move)|test_interstore": (
                "a Redis Cluster refuses a command whose keys are in several slots"
            )
        },
    ),
    "redis-sentinel": DJANGO_REDIS._replace(caches=Caches(SQLITE, plain, sentinels)),
}
