"""Django's settings; everything that differs between machines comes from the environment."""

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from whitenoise.compress import Compressor

from hiremebahamas import cors
from hiremebahamas.environment import (
    BASE_DIR,
    caches,
    database,
    default_origin,
    env,
    read_admin_host,
    read_env_file,
    read_keys,
    read_log_format,
    read_mail,
    read_secrets,
    read_threads,
)
from hiremebahamas.openid_providers import read_openid_providers
from hiremebahamas.variables import read_choice, read_float, read_int, read_rates, read_switch

HOUR_SECONDS = 60 * 60
DAY_SECONDS = 24 * HOUR_SECONDS

read_env_file()

DEBUG = read_switch("DEBUG", default=False)
_secrets = read_secrets(debug=DEBUG)
SECRET_KEY = _secrets["SECRET_KEY"]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
# Where the admin site alone is, apart from the API and its pages.
ADMIN_HOST = read_admin_host(ALLOWED_HOSTS)

# Browser apps on other origins; see Note [Cross-origin pages].
CORS_ALLOWED_ORIGINS = cors.check_origins(env.list("CORS_ALLOWED_ORIGINS", default=[]))
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = cors.URLS_REGEX
CORS_ALLOW_HEADERS = cors.REQUEST_HEADERS
CORS_EXPOSE_HEADERS = cors.RESPONSE_HEADERS

INSTALLED_APPS = [
    "hiremebahamas",
    "accounts",
    "accounts.api_keys",
    "accounts.leaving",
    "accounts.openid_connect",
    "accounts.registrations",
    "accounts.second_factor",
    "accounts.security_log",
    "accounts.token_keys",
    "usercache",
    "usercache.auth",
    "usercache.permissions",
    "usercache.tracking",
    "usercache.observability",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    *(["corsheaders"] if CORS_ALLOWED_ORIGINS else []),
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
    "hiremebahamas.no_store.no_store_middleware",
    "hiremebahamas.content_security.content_security_middleware",
    # Before what answers by itself.
    *([cors.MIDDLEWARE] if CORS_ALLOWED_ORIGINS else []),
    "hiremebahamas.https_only.https_only_middleware",
    "django.middleware.security.SecurityMiddleware",
    # WhiteNoise complains at each start as long as there is nothing to serve.
    *(["whitenoise.middleware.WhiteNoiseMiddleware"] if DEBUG or STATIC_ROOT.is_dir() else []),
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "hiremebahamas.admin_host.admin_host_middleware",
    # What follows runs for the admin site alone.
    "hiremebahamas.session_pages.session_pages_middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    # Not the cached one: each record would grow by a third, for the few users of that site.
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.security_log.origin.OriginMiddleware",
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

_database_url = env.str("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}")
DATABASES = {
    "default": database(_database_url, is_pooled=read_switch("DATABASE_IS_POOLED", default=False))
}
if _direct_url := env.str("DATABASE_DIRECT_URL", ""):
    DATABASES["direct"] = {**database(_direct_url), "TEST": {"MIRROR": "default"}}
    USERCACHE_LISTEN_ALIAS = "direct"
# Made by `manage.py create_demo_users`, for the database above.
DEMO_PASSWORD_FILE = BASE_DIR / "demo-password.txt"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", "")
CACHES = caches(REDIS_URL)

USERCACHE_REDIS_ALIAS = "usercache" if REDIS_URL else ""
USERCACHE_MEMORY_ALIAS = "usercache-local"
USERCACHE_SIGNING_KEY = _secrets["USERCACHE_SIGNING_KEY"]
USERCACHE_SIGNING_KEY_FALLBACKS = read_keys("USERCACHE_SIGNING_KEY_FALLBACKS", debug=DEBUG)
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
    "is_email_verified",
    "is_active",
    "is_admin",
    "created_at",
    "updated_at",
    # Not for display: permissions and tokens are checked against these.
    "is_superuser",
    "version",
    "token_version",
    "ended_sessions",
    "live_keys",
)
USERCACHE_VERSION_FIELD = "version"
# The views load the row of what they change, locked.
USERCACHE_READ_ONLY_USERS = True
# Their defaults are usercache's own; only what the environment names is set here.
for _name in (
    "USERCACHE_TTL_SECONDS",
    "USERCACHE_NEGATIVE_TTL_SECONDS",
    "USERCACHE_MEMORY_TTL_SECONDS",
    "USERCACHE_FILL_LOCK_TTL_SECONDS",
    "USERCACHE_FILL_LOCK_WAIT_SECONDS",
    "USERCACHE_WRITE_MARKER_WAIT_SECONDS",
    "USERCACHE_WRITE_MARKER_TTL_SECONDS",
    "USERCACHE_TTL_JITTER",
    "USERCACHE_METRICS_FLUSH_SECONDS",
    "USERCACHE_AUDIT_SHARE",
    "USERCACHE_SHADOW_SHARE",
):
    if env.ENVIRON.get(_name):
        globals()[_name] = read_float(_name, 0.0)
for _name in (
    "USERCACHE_L1_MAX_ENTRIES",
    "USERCACHE_L1_MAX_BYTES",
    "USERCACHE_TOKENS_MAX_ENTRIES",
    "USERCACHE_WAIT_REPLICAS",
):
    if env.ENVIRON.get(_name):
        globals()[_name] = read_int(_name, 0)

# Access to /metrics and /health/cache for others than staff.
# Not through env(), as in read_secrets().
USERCACHE_METRICS_TOKEN = os.environ.get("USERCACHE_METRICS_TOKEN", "")
# For services behind a gateway: /auth/forward is answered where there is a key.
USERCACHE_FORWARD_SIGNING_KEY = os.environ.get("USERCACHE_FORWARD_SIGNING_KEY", "")
USERCACHE_FORWARD_FIELDS = ("is_admin",)
USERCACHE_TRACING = read_switch("USERCACHE_TRACING", default=False)
USERCACHE_METRICS_NETWORKS = tuple(env.list("USERCACHE_METRICS_NETWORKS", default=[]))

USERCACHE_ENDED_SESSIONS_FIELD = "ended_sessions"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.PasswordBackend"]
PASSWORD_HASHERS = [
    "accounts.passwords.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.passwords.validators.LengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "accounts.passwords.validators.LeakedPasswordValidator"},
    {
        "NAME": "accounts.passwords.validators.OwnWordsValidator",
        "OPTIONS": {
            "words": (
                *("hiremebahamas", "hireme", "bahamas"),
                *env.list("AUTH_PASSWORD_WORDS", default=[]),
            ),
            "hosts": ALLOWED_HOSTS,
        },
    },
]
# Two tabs that refresh the same token within this time both get its one successor.
AUTH_REFRESH_GRACE_SECONDS = read_float("AUTH_REFRESH_GRACE_SECONDS", 5.0)
# A session ends so long after its last refresh, and so long after its log-in.
AUTH_SESSION_IDLE_SECONDS = read_int("AUTH_SESSION_IDLE_SECONDS", 14 * DAY_SECONDS, low=1)
AUTH_SESSION_LONGEST_SECONDS = read_int("AUTH_SESSION_LONGEST_SECONDS", 90 * DAY_SECONDS, low=1)
# A user without a password proves who they are by a log-in that isn't longer ago.
AUTH_RECENT_LOGIN_SECONDS = read_int("AUTH_RECENT_LOGIN_SECONDS", 600, low=60, high=3600)
# Where browser apps keep the refresh token; None for pages of another site than this server's.
AUTH_REFRESH_COOKIE_SAMESITE = read_choice("AUTH_REFRESH_COOKIE_SAMESITE", ("Strict", "None"))
AUTH_REFRESH_COOKIE_SECURE = not DEBUG
# An API key lives no longer than this.
AUTH_API_KEY_LONGEST_DAYS = read_int("AUTH_API_KEY_LONGEST_DAYS", 365, low=1, high=3650)
# Events of the security log are kept so long.
AUTH_SECURITY_LOG_DAYS = read_int("AUTH_SECURITY_LOG_DAYS", 365, low=30, high=3650)
# A closed account can be opened again for so long; then it is erased.
AUTH_CLOSED_ACCOUNT_DAYS = read_int("AUTH_CLOSED_ACCOUNT_DAYS", 30, low=1, high=365)
# How many in how many seconds: by address, by account, and by the pair of both. A whole company may
# have one address.
AUTH_LIMITS = read_rates(
    "AUTH_LIMITS",
    {
        "login": {"address": (100, 60), "pair": (10, 300), "account": (100, 3600)},
        "refresh": {"address": (600, 60), "account": (30, 60)},
        "register": {"address": (60, 3600)},
        # Changing the password, closing the account: what asks for the password once more.
        "password": {"address": (60, 300), "account": (10, 300)},
        # Of all one's data: thousands of rows.
        "export": {"address": (60, 3600), "account": (5, 3600)},
        # A hundred log-ins' worth of decoding, at most.
        "picture": {"address": (120, 300), "account": (20, 300)},
        # A key that this process doesn't know yet, good or not.
        "key": {"address": (600, 60)},
        # What makes us send a message, and what comes back from one.
        "mail": {"address": (20, 3600), "account": (5, 3600)},
        "confirm": {"address": (60, 300)},
        # Codes of a second factor, of which three in a million are good at any time: with the
        # password known, one is guessed in two years, on average.
        "factor": {"address": (100, 60), "pair": (6, 3600), "account": (18, 3600)},
        # What asks another server about a user.
        "provider": {"address": (200, 60), "account": (20, 300)},
        "search": {"address": (600, 60), "account": (120, 60)},
    },
)
# How many proxies stand before the server, and so how many entries of X-Forwarded-For are theirs.
NUM_PROXIES = read_int("NUM_PROXIES", 0, low=0, high=10)
# How many requests of a process may hash, decode or search at the same time: half of its threads.
AUTH_SLOW_REQUESTS_MAX = read_int(
    "AUTH_SLOW_REQUESTS_MAX", max(1, read_threads() // 2), low=1, high=256
)

# What the secrets of authenticator apps are encrypted with: the first; the others still decrypt.
AUTH_SECOND_FACTOR_KEYS = (
    _secrets["SECOND_FACTOR_KEY"],
    *read_keys("SECOND_FACTOR_KEY_FALLBACKS", debug=DEBUG),
)
# The pages that may use passkeys, and the domain that these belong to: theirs, or one above it.
AUTH_PASSKEY_ORIGINS = tuple(
    env.list("AUTH_PASSKEY_ORIGINS", default=[]) or [default_origin(ALLOWED_HOSTS, debug=DEBUG)]
)
AUTH_PASSKEY_DOMAIN = env.str("AUTH_PASSKEY_DOMAIN", "") or str(
    urlsplit(AUTH_PASSKEY_ORIGINS[0]).hostname
)
# Whether admins and superusers can't log in without a second factor.
AUTH_SECOND_FACTOR_FOR_STAFF = read_switch("AUTH_SECOND_FACTOR_FOR_STAFF", default=False)
# From the password to the code.
AUTH_SECOND_FACTOR_CHALLENGE_SECONDS = read_int("AUTH_SECOND_FACTOR_CHALLENGE_SECONDS", 300)
# How long after its log-in a session of the admin site ends; no request prolongs it.
SESSION_COOKIE_AGE = read_int(
    "AUTH_ADMIN_SESSION_SECONDS", 8 * HOUR_SECONDS, low=300, high=14 * DAY_SECONDS
)

# Providers of OpenID Connect, by which users may log in as well.
AUTH_OPENID_PROVIDERS = read_openid_providers()
# How long a request waits for one, from the first connection to the last byte.
AUTH_OPENID_TIMEOUT_SECONDS = read_float("AUTH_OPENID_TIMEOUT_SECONDS", 5.0, low=0.5, high=30.0)
# Whether one may be on this machine, without TLS.
AUTH_OPENID_LOOPBACK = DEBUG

# EMAIL_HOST and the others of its kind.
globals().update(read_mail(debug=DEBUG))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("MAIL_FROM", "noreply@localhost")
# Where the links in messages lead, with {token} in it.
AUTH_RESET_PASSWORD_URL = env.str("AUTH_RESET_PASSWORD_URL", "")
AUTH_CONFIRM_EMAIL_URL = env.str("AUTH_CONFIRM_EMAIL_URL", "")
# Whether an account is made once its address is confirmed: nobody learns which emails have one.
AUTH_REGISTRATION_BY_MAIL = read_switch("AUTH_REGISTRATION_BY_MAIL", default=False)
AUTH_REOPEN_ACCOUNT_URL = env.str("AUTH_REOPEN_ACCOUNT_URL", "")
# How long their tokens are good.
PASSWORD_RESET_TIMEOUT = read_int("AUTH_MAIL_TOKEN_SECONDS", 3600, low=60, high=7 * DAY_SECONDS)

# The first signs tokens; all of them verify. Each is a secret or in PEM, and its kind says how.
AUTH_TOKEN_KEYS = (_secrets["JWT_SIGNING_KEY"], *read_keys("JWT_VERIFYING_KEYS", debug=DEBUG))
SIMPLE_JWT = {
    # Instead of its default, SECRET_KEY; what signs is AUTH_TOKEN_KEYS, by accounts.token_keys.
    "SIGNING_KEY": AUTH_TOKEN_KEYS[0],
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(seconds=AUTH_SESSION_IDLE_SECONDS),
    # A token is made by one server's clock and read by another's.
    "LEEWAY": read_float("AUTH_CLOCK_LEEWAY_SECONDS", 10.0),
    # What tokens are for, where the same key signs for other services as well.
    "AUDIENCE": env.str("AUTH_TOKEN_AUDIENCE", "") or None,
    "USER_ID_CLAIM": "user_id",
    "AUTH_TOKEN_CLASSES": ("accounts.tokens.claims.AccessToken",),
    # It would need the password hash in the cache; token_version does the same without.
    "CHECK_REVOKE_TOKEN": False,
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["usercache.auth.jwt.CachedJWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "hiremebahamas.negotiation.ContentNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["hiremebahamas.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["accounts.views.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "hiremebahamas.schema.Schema",
    "NUM_PROXIES": NUM_PROXIES,
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
        {"name": "Second factor", "description": "What log-ins ask for besides the password."},
        {"name": "Providers", "description": "Logging in with Google, Apple and others."},
        {"name": "Recovery", "description": "What leads through a user's mailbox."},
        {"name": "Account", "description": "A user's own account."},
        {"name": "Leaving", "description": "Taking one's data along, closing, coming back."},
        {"name": "API keys", "description": "How programs sign in as a user."},
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
HSTS_SECONDS = 365 * DAY_SECONDS
SECURE_SSL_REDIRECT = read_switch("SECURE_SSL_REDIRECT", default=not DEBUG)
# Probes reach the server past the proxy that ends TLS, and would take a redirect for healthy.
SECURE_REDIRECT_EXEMPT = [r"^health/(live|ready|cache)$", r"^metrics$"]
SECURE_HSTS_SECONDS = read_int("SECURE_HSTS_SECONDS", 0 if DEBUG else HSTS_SECONDS, low=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
if not DEBUG:
    # Browsers take such a cookie from this host alone, by HTTPS: no sibling host can plant one.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Only behind a proxy that sets this header itself: any other client could forge it.
if read_switch("TRUST_X_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Larger bodies are refused before they are read; a form with a picture has its own limit.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# As large as that form: no upload needs a temporary file, for which there may be no room.
FILE_UPLOAD_MAX_MEMORY_SIZE = 6 * 1024 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "hiremebahamas.log_lines.Formatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "hiremebahamas.log_lines.JSONFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": read_log_format()}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Django's own handlers would write each line a second time.
        "django": {"handlers": []},
        # It names each credential that is used.
        "fido2": {"level": "WARNING"},
        # A refused request is the client's error, and in the access log.
        "django.request": {"level": "ERROR"},
        # Also one for another host, of which Django would write twenty lines.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
