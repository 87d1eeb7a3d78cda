"""The pytest plugin of another package's tests: adds this package, and puts its class in place.

A copy of it runs where there is no other module of this project but the installed package.
"""

import os
from typing import Any, Final

import pytest
from django.apps.registry import Apps, apps
from django.conf import settings

LOCAL_MEMORY: Final = "django.core.cache.backends.locmem.LocMemCache"
SETTINGS: Final[dict[str, Any]] = {
    "USERCACHE_SIGNING_KEY": "of tests, which share nothing with anybody",
    "USERCACHE_FIELDS": ("id", "username", "is_active", "is_staff", "is_superuser"),
    "USERCACHE_TOKEN_VERSION_FIELD": "",
}
APPS: Final = ("usercache", "usercache.auth")
POPULATE: Final = Apps.populate
users_found = 0


def populate(self: Apps, installed_apps: Any = None) -> None:
    """Add our apps and settings to those of the tests, before Django reads them."""
    if self is not apps or hasattr(settings, "USERCACHE_FIELDS"):  # a migration's, or again
        POPULATE(self, installed_apps)
        return
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    local = {"BACKEND": LOCAL_MEMORY, "LOCATION": "usercache"}
    settings.CACHES = {**settings.CACHES, "usercache-local": local}
    settings.INSTALLED_APPS = installed_apps = [*(installed_apps or ()), *APPS]
    POPULATE(self, installed_apps)
    put_in_place()


def put_in_place() -> None:
    """Let `JWTAuthentication` be ours, for what imports it from now on."""
    # Here: there are no apps while pytest loads the plugin.
    from rest_framework_simplejwt import authentication  # noqa: PLC0415

    from usercache.auth.jwt import CachedJWTAuthentication  # noqa: PLC0415

    class CountedAuthentication(CachedJWTAuthentication):
        """Ours, with a count of the users that it was asked for."""

        def get_user(self, validated_token: Any) -> Any:
            global users_found  # noqa: PLW0603  # of a process that runs one suite
            users_found += 1
            return super().get_user(validated_token)

    if not issubclass(authentication.JWTAuthentication, CachedJWTAuthentication):
        authentication.JWTAuthentication = CountedAuthentication  # type: ignore[misc]  # on purpose


if os.environ["WITH_USERCACHE"]:
    Apps.populate = populate  # type: ignore[method-assign]  # on purpose

    @pytest.fixture(autouse=True)
    def _empty_usercache() -> None:
        # Again: some tests reload the module.
        from usercache.runtime import get_store  # noqa: PLC0415

        put_in_place()
        get_store().empty_memory()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how often it was asked, so that a suite that never does so is noticed."""
    terminalreporter.write_line(f"users found: {users_found}")
