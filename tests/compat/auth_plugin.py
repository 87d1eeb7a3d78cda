"""The pytest plugin of another package's tests: adds this package, and puts its classes in place.

A copy of it runs where there is no other module of this project but the installed package.
"""

import importlib
import os
from typing import Any, Final

import pytest
from django.apps.registry import Apps, apps
from django.conf import settings

LOCAL_MEMORY: Final = "django.core.cache.backends.locmem.LocMemCache"
REDIS_URL: Final = os.environ.get("REDIS_URL", "")
SETTINGS: Final[dict[str, Any]] = {
    "USERCACHE_SIGNING_KEY": "of tests, which share nothing with anybody",
    "USERCACHE_FIELDS": tuple(os.environ["CACHED_FIELDS"].split(",")),
    "USERCACHE_TOKEN_VERSION_FIELD": "",
    "USERCACHE_PASSWORD_FINGERPRINT": True,
    "USERCACHE_REDIS_ALIAS": "usercache" if REDIS_URL else "",
}
APPS: Final = ("usercache", "usercache.auth")
MIDDLEWARE: Final = {
    "django.contrib.auth.middleware.AuthenticationMiddleware": (
        "usercache.auth.sessions.CachedAuthenticationMiddleware"
    )
}
CLASSES: Final = (
    (
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "usercache.auth.jwt.CachedJWTAuthentication",
    ),
    (
        "rest_framework.authentication.TokenAuthentication",
        "usercache.auth.authtoken.CachedTokenAuthentication",
    ),
    ("knox.auth.TokenAuthentication", "usercache.auth.knox.CachedKnoxAuthentication"),
)
"""Classes, and what stands in their place where the suite's project has their package."""
POPULATE: Final = Apps.populate
calls = 0


def populate(self: Apps, installed_apps: Any = None) -> None:
    """Add our apps and settings to those of the tests, before Django reads them."""
    if self is not apps or hasattr(settings, "USERCACHE_FIELDS"):  # a migration's, or again
        POPULATE(self, installed_apps)
        return
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    settings.CACHES = settings.CACHES | make_caches()
    settings.MIDDLEWARE = [MIDDLEWARE.get(name, name) for name in settings.MIDDLEWARE]
    settings.INSTALLED_APPS = installed_apps = [*(installed_apps or ()), *APPS]
    POPULATE(self, installed_apps)
    put_in_place()
    count_look_ups()


def make_caches() -> dict[str, Any]:
    """Return our entries of CACHES, as the README has them."""
    local = {"BACKEND": LOCAL_MEMORY, "LOCATION": "usercache"}
    if not REDIS_URL:
        return {"usercache-local": local}
    from redis.backoff import NoBackoff  # noqa: PLC0415  # not every suite has redis-py
    from redis.retry import Retry  # noqa: PLC0415

    kwargs = {
        "socket_timeout": 0.25,
        "socket_connect_timeout": 0.25,
        "retry": Retry(NoBackoff(), 0),
    }
    shared = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {
            "CONNECTION_POOL_CLASS": "usercache.redis_topologies.deadlines.DeadlinePool",
            "CONNECTION_POOL_KWARGS": kwargs,
        },
    }
    return {"usercache-local": local, "usercache": shared}


def put_in_place() -> None:
    """Let the classes be ours, for what imports them from now on."""
    for theirs, ours in CLASSES:
        module_name, _, name = theirs.rpartition(".")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError:
            continue
        own_module, _, own_name = ours.rpartition(".")
        own = getattr(importlib.import_module(own_module), own_name)
        if not issubclass(getattr(module, name), own):
            setattr(module, name, own)


def count_look_ups() -> None:
    """Count what the cache is asked for."""
    from usercache.events import Events  # noqa: PLC0415  # no apps while pytest loads the plugin

    note = Events.note_lookup

    def counted(self: Events, result: str, began: float, pk: str) -> None:
        global calls  # noqa: PLW0603  # of a process that runs one suite
        calls += 1
        note(self, result, began, pk)

    Events.note_lookup = counted  # type: ignore[method-assign]  # on purpose


if os.environ["WITH_USERCACHE"]:
    Apps.populate = populate  # type: ignore[method-assign]  # on purpose

    @pytest.fixture(autouse=True)
    def _empty_usercache() -> None:
        # Again: some tests reload the module.
        from django.core.cache import caches  # noqa: PLC0415  # of settings that aren't read yet

        from usercache.runtime import get_store  # noqa: PLC0415

        put_in_place()
        get_store().empty_memory()
        if REDIS_URL:
            caches["usercache"].clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how often it was called, so that a suite that never does so is noticed."""
    terminalreporter.write_line(f"calls of ours: {calls}")
