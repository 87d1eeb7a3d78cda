"""Django's settings; everything that differs between machines comes from the environment."""

import os
from datetime import timedelta
from pathlib import Path

from whitenoise.compress import Compressor

from hiremebahamas.environment import BASE_DIR, caches, database, env, read_env_file, secret
from hiremebahamas.variables import read_float, read_int, read_switch

read_env_file()

DEBUG = read_switch("DEBUG", default=False)
SECRET_KEY = secret("SECRET_KEY", debug=DEBUG)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])

INSTALLED_APPS = [
    "hiremebahamas",
    "accounts",
    "usercache",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
MEDIA_URL = "/media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", default=str(BASE_DIR / "media"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "hiremebahamas.staticfiles.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
# Source maps, which only developers' tools ask for, take longer than all the rest.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")

MIDDLEWARE = [
    "hiremebahamas.content_security.content_security_middleware",
    "django.middleware.security.SecurityMiddleware",
    # WhiteNoise complains at each start as long as there is nothing to serve.
    *(["whitenoise.middleware.WhiteNoiseMiddleware"] if DEBUG or STATIC_ROOT.is_dir() else []),
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "hiremebahamas.urls"
WSGI_APPLICATION = "hiremebahamas.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
LANGUAGE_CODE = "en-us"
TIME_ZONE = "America/Nassau"
USE_TZ = True

DATABASES = {"default": database(env.str("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", "")
CACHES = caches(REDIS_URL)

USERCACHE_SHARED_ALIAS = "usercache" if REDIS_URL else ""
USERCACHE_LOCAL_ALIAS = "usercache-local"
USERCACHE_SIGNING_KEY = secret("USERCACHE_SIGNING_KEY", debug=DEBUG)
USERCACHE_FIELDS = (
    "id",
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
    # Not for display: what permissions and tokens are checked against.
    "is_superuser",
    "token_version",
)
# Their defaults are usercache's own; only what the environment names is set here.
for _name in (
    "USERCACHE_TTL_SECONDS",
    "USERCACHE_NEGATIVE_TTL_SECONDS",
    "USERCACHE_LOCAL_TTL_SECONDS",
    "USERCACHE_LEASE_TTL_SECONDS",
    "USERCACHE_LEASE_WAIT_SECONDS",
    "USERCACHE_BARRIER_WAIT_SECONDS",
    "USERCACHE_BARRIER_TTL_SECONDS",
    "USERCACHE_TTL_JITTER",
    "USERCACHE_STATS_FLUSH_SECONDS",
    "USERCACHE_AUDIT_SHARE",
):
    if env.ENVIRON.get(_name):
        globals()[_name] = read_float(_name, 0.0)
for _name in (
    "USERCACHE_NEAR_MAX_ENTRIES",
    "USERCACHE_NEAR_MAX_BYTES",
    "USERCACHE_TOKENS_MAX_ENTRIES",
    "USERCACHE_WAIT_REPLICAS",
):
    if env.ENVIRON.get(_name):
        globals()[_name] = read_int(_name, 0)

# Who may read /metrics and /health/cache without being staff. Not through env(), as in secret().
USERCACHE_METRICS_TOKEN = os.environ.get("USERCACHE_METRICS_TOKEN", "")
USERCACHE_TRACING = read_switch("USERCACHE_TRACING", default=False)
USERCACHE_METRICS_NETWORKS = tuple(env.list("USERCACHE_METRICS_NETWORKS", default=[]))

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "accounts.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Two tabs that refresh the same token within this time both get its one successor.
AUTH_REFRESH_GRACE_SECONDS = read_float("AUTH_REFRESH_GRACE_SECONDS", 5.0)

SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": secret("JWT_SIGNING_KEY", debug=DEBUG),
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "USER_ID_CLAIM": "user_id",
    "AUTH_TOKEN_CLASSES": ("accounts.tokens.AccessToken",),
    # It would need the password hash in the cache; token_version does the same without.
    "CHECK_REVOKE_TOKEN": False,
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["usercache.authentication.CachedJWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["accounts.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "hiremebahamas.schema.Schema",
    "EXCEPTION_HANDLER": "hiremebahamas.errors.handle_exception",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    # `?format=` is an unknown parameter like any other.
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "HireMeBahamas",
    "DESCRIPTION": "Accounts and profiles of job seekers and employers in the Bahamas.\n\n"
    "Bodies are JSON, of at most 1 MB; unknown fields are refused. Errors are "
    '`{"detail", "code"}`, a sentence for people and a word for programs, or a list of messages '
    "by field.",
    "VERSION": "1.0.0",
    "TAGS": [
        {"name": "Sessions", "description": "Getting tokens, renewing them, giving them up."},
        {"name": "Account", "description": "A user's own account."},
        {"name": "Directory", "description": "What users see of each other."},
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    # A nullable username is simply null, and a choice needs no second name.
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
}

# Production is served over HTTPS only, unless the environment says that something in front does it.
HSTS_SECONDS = 365 * 24 * 60 * 60
SECURE_SSL_REDIRECT = read_switch("SECURE_SSL_REDIRECT", default=not DEBUG)
# Those who watch ask the server itself, not through what ends TLS; to them a redirect is healthy.
SECURE_REDIRECT_EXEMPT = [r"^health/(live|ready|cache)$", r"^metrics$"]
SECURE_HSTS_SECONDS = read_int("SECURE_HSTS_SECONDS", 0 if DEBUG else HSTS_SECONDS, low=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Only behind a proxy that sets this header itself: anybody else could claim to have used HTTPS.
if read_switch("TRUST_X_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Larger bodies are refused before they are read; a form with a picture has its own limit.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Django's own handlers would write each line a second time.
        "django": {"handlers": []},
        # A refused request is the client's affair, and in the access log.
        "django.request": {"level": "ERROR"},
    },
}
