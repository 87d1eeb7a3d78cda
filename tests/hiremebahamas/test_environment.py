"""What the environment must say, and what the settings make of it: each in a process of its own."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from hiremebahamas.environment import read_mail
from tests.processes import ANSWER_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
    "USERCACHE_SIGNING_KEY": secrets.token_urlsafe(48),
    "SECOND_FACTOR_KEY": secrets.token_urlsafe(48),
    "ALLOWED_HOSTS": "www.example.com",
    "DATABASE_URL": "postgres://user:pass@127.0.0.1:1/db",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "EMAIL_URL": "smtp+tls://mail.example.com:587",
}
KEYS = ("SECRET_KEY", "JWT_SIGNING_KEY", "USERCACHE_SIGNING_KEY", "SECOND_FACTOR_KEY")
NO_SECRETS = ("", "short", "insecure-development-only-secret-key-x", "")
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
        timeout=ANSWER_SECONDS,
    )


def show_settings(**environment: str) -> dict[str, object]:
    answer = run("-c", SHOW, **environment)
    assert answer.returncode == 0, answer.stderr
    settings: dict[str, object] = json.loads(answer.stdout)
    return settings


@pytest.mark.parametrize(("name", "value"), list(zip(KEYS, NO_SECRETS, strict=True)))
def test_production_wants_real_secrets(name: str, value: str) -> None:
    """Each of the four; the message says what to set, and how to make one."""
    answer = run("-c", SHOW, **(PRODUCTION | {name: value}))
    assert answer.returncode != 0
    assert f"Set {name}, in the environment or in .env" in answer.stderr
    assert "secrets.token_urlsafe" in answer.stderr


def test_development_needs_nothing() -> None:
    """SQLite, the memory backend, and secrets that say what they are."""
    settings = show_settings(DEBUG="True")
    assert all(str(settings[name]).startswith("insecure-development-only") for name in KEYS[::2])
    assert "sqlite3" in str(settings["DATABASES"])
    assert settings["USERCACHE_REDIS_ALIAS"] == ""
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
    assert options["request_bounds"] == [5, 4]
    assert options["command_bounds"][0] == 20
    assert options["connect_timeout"] == 5
    assert options["tcp_user_timeout"] == 5000
    assert options["timeouts"] == {"idle_in_transaction_session_timeout": 15000}


def test_connections_past_the_pooler_are_an_alias_of_their_own() -> None:
    """The pooler's has no cursor on the server; the relay listens on the other."""
    direct = "postgres://user:password@127.0.0.1:5433/name"
    settings = show_settings(**PRODUCTION, DATABASE_IS_POOLED="True", DATABASE_DIRECT_URL=direct)
    databases: Any = settings["DATABASES"]
    for alias, is_pooled in {"default": True, "direct": False}.items():
        assert databases[alias]["OPTIONS"]["is_pooled"] is is_pooled
        assert databases[alias]["DISABLE_SERVER_SIDE_CURSORS"] is is_pooled
    assert databases["direct"]["PORT"] == 5433
    assert settings["USERCACHE_LISTEN_ALIAS"] == "direct"


@pytest.mark.parametrize("value", ["0.1", "31", "soon"])
def test_a_bound_that_is_none_is_refused(value: str) -> None:
    """A statement in a transaction must end well before usercache's write marker does."""
    answer = run("-c", SHOW, **PRODUCTION, DATABASE_TIMEOUT_SECONDS=value)
    assert f"DATABASE_TIMEOUT_SECONDS is '{value}'. Set it to a number from 0.5 to 30" in (
        answer.stderr
    )


def test_redis_is_asked_briefly_and_once() -> None:
    """Short timeouts that the environment may change, no retries, errors not swallowed."""
    environment = PRODUCTION | {"USERCACHE_REDIS_TIMEOUT_SECONDS": "0.1"}
    settings = show_settings(**environment)
    options = settings["CACHES"]["usercache"]["OPTIONS"]  # type: ignore[index]
    pool = options["CONNECTION_POOL_KWARGS"]
    assert pool["socket_timeout"] == pool["socket_connect_timeout"] == 0.1
    assert "IGNORE_EXCEPTIONS" not in options
    assert settings["USERCACHE_REDIS_ALIAS"] == "usercache"


def test_usercache_settings_come_from_the_environment_if_named() -> None:
    """As numbers; the others are left to usercache's own defaults."""
    settings = show_settings(**PRODUCTION, USERCACHE_TTL_SECONDS="60")
    assert settings["USERCACHE_TTL_SECONDS"] == 60.0
    assert "USERCACHE_MEMORY_TTL_SECONDS" not in settings


def test_forwarded_proto_is_trusted_on_request_only() -> None:
    """Anybody can send the header."""
    assert show_settings(**PRODUCTION)["SECURE_PROXY_SSL_HEADER"] is None
    trusting = show_settings(**PRODUCTION, TRUST_X_FORWARDED_PROTO="True")
    assert trusting["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]


def test_one_secret_for_two_purposes_is_refused() -> None:
    """In production; in development it is nobody's loss."""
    same = dict.fromkeys(KEYS[:2], PRODUCTION["SECRET_KEY"])
    answer = run("-c", SHOW, **(PRODUCTION | same))
    assert "are not all different" in answer.stderr
    assert answer.returncode != 0
    show_settings(**(PRODUCTION | same | {"DEBUG": "True"}))


@pytest.mark.parametrize("command", ["check", "migrate", "cache_relay"])
def test_manage_py_says_what_is_missing_and_nothing_else(command: str) -> None:
    """All of it, what to do, and no traceback unless that is asked for."""
    answer = run("manage.py", command)
    assert answer.returncode == 1
    assert all(name in answer.stderr for name in KEYS)
    assert "secrets.token_urlsafe" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.splitlines()) < 5
    assert "Traceback" in run("manage.py", command, "--traceback").stderr


def test_make_run_honours_the_env_file(tmp_path: Path) -> None:
    """It is on unless something says it is off."""
    file = tmp_path / "env"
    file.write_text("\n".join(f"{key}={value}" for key, value in PRODUCTION.items()))
    answer = run("-m", "hiremebahamas.demo", ENV_FILE=str(file), DEBUG="False")
    assert "DEBUG is off here" in answer.stderr
    with file.open("a") as lines:
        lines.write("\nDEBUG=False\n")
    answer = run("-m", "hiremebahamas.demo", ENV_FILE=str(file))
    assert "DEBUG is off here" in answer.stderr
    assert answer.returncode != 0


def test_mail_by_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server, or the terminal of a developer; never the log of a production server."""
    monkeypatch.delenv("EMAIL_URL", raising=False)
    assert read_mail(debug=True)["EMAIL_BACKEND"].endswith("console.EmailBackend")
    assert read_mail(debug=False)["EMAIL_BACKEND"].endswith("dummy.EmailBackend")
    monkeypatch.setenv("EMAIL_URL", "smtp+tls://us%40er:pa%3Ass@mail.example.com:587")
    read = read_mail(debug=False)
    assert (read["EMAIL_HOST"], read["EMAIL_PORT"], read["EMAIL_USE_TLS"]) == (
        "mail.example.com",
        587,
        True,
    )
    assert (read["EMAIL_HOST_USER"], read["EMAIL_HOST_PASSWORD"]) == ("us@er", "pa:ss")


@pytest.mark.parametrize("url", ["x", "http://mail.example.com", "smtp://host:port", "://"])
def test_bad_mail_url_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """With what to write instead, and without the password."""
    monkeypatch.setenv("EMAIL_URL", url)
    with pytest.raises(ImproperlyConfigured, match=r"EMAIL_URL leads to no mail server"):
        read_mail(debug=False)
