"""The suites that `make compat` runs, and why some of their tests may fail."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

from tests.compat import knox_project
from tests.compat.redis_caches import cluster, plain, sentinels
from tests.compat.sources import Distribution, Source, Template

Serve = Callable[[Path], AbstractContextManager[str]]
"""Starts servers with their files in a folder, and gives the text of a settings module."""


class Caches(NamedTuple):
    """Settings that lead to servers: the package's own ones, and ours."""

    path: str
    """Of the settings module, below the distribution's folder."""
    theirs: Serve
    ours: Serve


class Suite(NamedTuple):
    """A package or project with tests of its own."""

    source: Source
    needs: tuple[str, ...]
    tests: tuple[str, ...]
    """Their folders or files, below that of the source."""
    settings: str = ""
    """The settings module; "" if a conftest.py has the settings."""
    fields: tuple[str, ...] = ("id", "username", "is_active", "is_staff", "is_superuser")
    """USERCACHE_FIELDS."""
    files: Mapping[str, str] = {}
    """What the source lacks: texts, by their path below it."""
    servers: tuple[str, ...] = ()
    """Which run with the suite: DATABASE_URL, REDIS_URL. Without, it has SQLite."""
    extra: str = "jwt"
    """Of django-usercache."""
    plugin: str = "auth_plugin"
    select: str = ""
    """Which tests, as pytest's -k takes it."""
    caches: Caches | None = None
    explained: Mapping[str, str] = {}
    """Why a test fails with ours that isn't our fault, by a regular expression of its name."""


DJANGO_REDIS: Final = Suite(
    Distribution("django-redis==7.0.0"),
    ("msgpack==1.2.3", "lz4==4.4.5", "pytest-mock==3.17.0", "pytest-xdist==3.8.0"),
    ("tests",),
    extra="redis",
    plugin="redis_plugin",
    # Of its parameters the first: the others choose serializers and compressors.
    select="sqlite] or not [",
)
TOKEN_WITHOUT_JOIN: Final = (
    "it has a token and its user joined in one query; of a user who isn't cached, as "
    "inside a test's transaction, ours asks by another"
)
SQLITE: Final = "tests/settings/sqlite.py"
SUITES: Final = {
    "simplejwt": Suite(
        Distribution("djangorestframework_simplejwt==5.5.1"),
        (
            "cryptography==50.0.2",
            "python-jose==3.5.0",
            "freezegun==1.5.5",
            "python-dateutil==4.0.0",
        ),
        ("tests",),
    ),
    "dj-rest-auth": Suite(
        Distribution("dj-rest-auth==7.2.0"),
        ("django-allauth[socialaccount,mfa]==65.22.1", "responses==0.26.3", "pyotp==2.12.1"),
        ("dj_rest_auth/tests",),
        "tests.settings",
    ),
    "rest-framework": Suite(
        Distribution("djangorestframework==3.18.3"),
        ("dj-database-url==3.1.2", "requests==2.34.2"),
        ("tests",),
        explained={r"test_post_json_makes_one_db_query": TOKEN_WITHOUT_JOIN},
    ),
    "allauth": Suite(
        Distribution(
            "django-allauth[headless,headless-spec,idp-oidc,mfa,openid,saml,socialaccount,steam]==65.22.1"
        ),
        (
            *("pytest-asyncio==1.3.0", "psycopg[binary]==3.3.9"),
            *("djangorestframework==3.18.3", "django-ninja==1.7.1"),
        ),
        ("tests",),
        "tests.projects.regular.settings",
        # Of other companies' accounts, and of those that an application offers to others.
        select="not socialaccount and not idp",
    ),
    "cookiecutter-django": Suite(
        # The last version for a Django that Python 3.11 runs.
        Template(
            "https://github.com/cookiecutter/cookiecutter-django",
            "2026.03.09",
            {"project_slug": "project", "username_type": "email", "rest_api": "DRF"},
        ),
        (
            *("Django==5.2.19", "django-environ==0.14.0", "psycopg[binary]==3.3.9"),
            *("django-allauth[mfa]==65.22.1", "django-model-utils==5.0.0", "argon2-cffi==25.1.0"),
            *("django-crispy-forms==2.7", "crispy-bootstrap5==2026.3", "python-slugify==8.0.4"),
            *("django-cors-headers==4.9.0", "drf-spectacular==0.30.0", "factory-boy==3.3.3"),
            *("Pillow==12.3.0",),
        ),
        ("project", "tests"),
        "config.settings.test",
        fields=("id", "email", "name", "is_active", "is_staff", "is_superuser"),
        servers=("DATABASE_URL", "REDIS_URL"),
        extra="redis,jwt",
    ),
    "knox": Suite(
        Distribution("django-rest-knox==5.1.0"),
        ("freezegun==1.5.5",),
        ("tests",),
        "knox_project.settings",
        files=knox_project.FILES,
        explained={r"test_token_auth_n_plus_one|test_cleanup_query_count": TOKEN_WITHOUT_JOIN},
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
