"""A project that signs users in by every library that `usercache.auth` has a class for."""

import os
from typing import Any

import environ

DATABASES: dict[str, Any] = {"default": environ.Env().db_url("DATABASE_URL")}
DATABASES["default"]["TEST"] = {"NAME": os.environ["TEST_DATABASE"]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
SECRET_KEY = os.environ["SECRET_KEY"]
ROOT_URLCONF = "tests.libraries.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework.authtoken",
    "knox",
    "usercache",
    "usercache.auth",
    *(["usercache.tracking"] if os.environ["REDIS_URL"] else []),
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "usercache.auth.sessions.CachedAuthenticationMiddleware",
]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "usercache-local": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "usercache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}
USERCACHE_REDIS_ALIAS = ""
if os.environ["REDIS_URL"]:
    USERCACHE_REDIS_ALIAS = "usercache"
    CACHES["usercache"] = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ["REDIS_URL"],
        "KEY_PREFIX": "libraries",
        "OPTIONS": {
            "CONNECTION_POOL_KWARGS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
        },
    }
USERCACHE_SIGNING_KEY = os.environ["USERCACHE_SIGNING_KEY"]
USERCACHE_FIELDS = ("id", "username", "first_name", "is_active", "is_staff", "is_superuser")
USERCACHE_TOKEN_VERSION_FIELD = ""
USERCACHE_PASSWORD_FINGERPRINT = True
USERCACHE_L1_MAX_ENTRIES = int(os.environ["USERCACHE_L1_MAX_ENTRIES"])
SIMPLE_JWT = {"SIGNING_KEY": os.environ["JWT_SIGNING_KEY"]}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["usercache.auth.jwt.CachedJWTAuthentication"],
}
