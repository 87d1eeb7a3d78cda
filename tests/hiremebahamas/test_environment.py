"""What the environment must say, and what the settings make of it: each in a process of its own."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
    "USERCACHE_SIGNING_KEY": secrets.token_urlsafe(48),
    "ALLOWED_HOSTS": "www.example.com",
    "DATABASE_URL": "postgres://user:pass@127.0.0.1:1/db",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
KEYS = ("SECRET_KEY", "JWT_SIGNING_KEY", "USERCACHE_SIGNING_KEY")
SHOW = (
    "import json, django.conf; s = django.conf.settings; "
    "print(json.dumps({n: getattr(s, n) for n in dir(s) if n.isupper()}, default=str))"
)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these variables and none of the tests' own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    settings = {"DJANGO_SETTINGS_MODULE": "hiremebahamas.settings", "PYTHONWARNINGS": "error"}
    settings["ENV_FILE"] = ""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=kept | settings | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def show_settings(**environment: str) -> dict[str, object]:
    answer = run("-c", SHOW, **environment)
    assert answer.returncode == 0, answer.stderr
    settings: dict[str, object] = json.loads(answer.stdout)
    return settings


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("value", ["", "short", "insecure-development-only-secret-key-x"])
def test_production_wants_real_secrets(name: str, value: str) -> None:
    """Each of the three; the message says what to set, and how to make one."""
    answer = run("-c", SHOW, **(PRODUCTION | {name: value}))
    assert answer.returncode != 0
    assert f"Set {name}, in the environment or in .env" in answer.stderr
    assert "secrets.token_urlsafe" in answer.stderr


def test_development_needs_nothing() -> None:
    """SQLite, the local tier, and secrets that say what they are."""
    settings = show_settings(DEBUG="True")
    assert all(str(settings[name]).startswith("insecure-development-only") for name in KEYS[::2])
    assert "sqlite3" in str(settings["DATABASES"])
    assert settings["USERCACHE_SHARED_ALIAS"] == ""
    assert settings["SECURE_SSL_REDIRECT"] is False


def test_a_dollar_in_a_secret_is_a_dollar() -> None:
    """And not the beginning of another variable's name."""
    secret = "$" + secrets.token_urlsafe(48)
    assert show_settings(**(PRODUCTION | {"SECRET_KEY": secret}))["SECRET_KEY"] == secret


def test_production_passes_the_deployment_checks() -> None:
    """Without a warning."""
    answer = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert answer.returncode == 0, answer.stderr


def test_transactions_and_waits_are_bounded_on_postgresql() -> None:
    """Statements, idle transactions, connecting, and waiting for the pool."""
    [database] = show_settings(**PRODUCTION)["DATABASES"].values()  # type: ignore[attr-defined]
    assert database["CONN_MAX_AGE"] == 0
    assert database["ATOMIC_REQUESTS"] is False
    options = database["OPTIONS"]
    assert options["pool"]["timeout"] == 5
    assert options["pool"]["reconnect_timeout"] == 2
    assert "statement_timeout=15000" in options["options"]
    assert "idle_in_transaction_session_timeout=15000" in options["options"]


def test_redis_is_asked_briefly_and_once() -> None:
    """Short timeouts that the environment may change, no retries, errors not swallowed."""
    environment = PRODUCTION | {"USERCACHE_REDIS_TIMEOUT_SECONDS": "0.1"}
    settings = show_settings(**environment)
    options = settings["CACHES"]["usercache"]["OPTIONS"]  # type: ignore[index]
    pool = options["CONNECTION_POOL_KWARGS"]
    assert pool["socket_timeout"] == pool["socket_connect_timeout"] == 0.1
    assert "IGNORE_EXCEPTIONS" not in options
    assert settings["USERCACHE_SHARED_ALIAS"] == "usercache"


def test_usercache_settings_come_from_the_environment_if_named() -> None:
    """As numbers; the others are left to usercache's own defaults."""
    settings = show_settings(**PRODUCTION, USERCACHE_TTL_SECONDS="60")
    assert settings["USERCACHE_TTL_SECONDS"] == 60.0
    assert "USERCACHE_LOCAL_TTL_SECONDS" not in settings


def test_forwarded_proto_is_trusted_on_request_only() -> None:
    """Anybody can send the header."""
    assert show_settings(**PRODUCTION)["SECURE_PROXY_SSL_HEADER"] is None
    trusting = show_settings(**PRODUCTION, TRUST_X_FORWARDED_PROTO="True")
    assert trusting["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
