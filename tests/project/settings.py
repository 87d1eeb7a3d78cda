"""A project with the core of usercache alone; the environment says which user model it has."""

import os
from typing import Any

import environ

DATABASES: dict[str, Any] = {"default": environ.Env().db_url("DATABASE_URL")}
DATABASES["default"]["TEST"] = {"NAME": os.environ["TEST_DATABASE"]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "usercache",
    "tests.project",
]
AUTH_USER_MODEL = os.environ["AUTH_USER_MODEL"]
ROOT_URLCONF = ""  # tests of views bring their own

REDIS_URL = os.environ.get("REDIS_URL", "")
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "usercache-local": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "usercache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}
USERCACHE_REDIS_ALIAS = ""
if REDIS_URL:
    USERCACHE_REDIS_ALIAS = "usercache"
    CACHES["usercache"] = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "hmb",
        "OPTIONS": {
            "CONNECTION_POOL_KWARGS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
        },
    }
USERCACHE_SIGNING_KEY = os.environ["USERCACHE_SIGNING_KEY"]
USERCACHE_FIELDS = (
    "key" if AUTH_USER_MODEL == "project.RenamedUser" else "id",
    "email",
    "username",
    "first_name",
    "last_name",
    "phone",
    "bio",
    "avatar_url",
    "occupation",
    "location",
    "is_active",
    "is_admin",
    "created_at",
    "updated_at",
    "is_superuser",
    "token_version",
)
