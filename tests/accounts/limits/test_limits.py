"""Limits count exactly, in Redis and without it, and are never open."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory
from pytest_django import Settings
from redis import Redis
from rest_framework.test import APIClient

from accounts.errors import TooManyAttempts
from accounts.limits.rates import MEMORY, SCOPES, MemoryLimits, check_limit, take
from accounts.models import User
from hiremebahamas.variables import read_rates
from tests.caches import lead_shared_alias
from tests.cast import PASSWORD
from tests.concurrency import run_together
from tests.counting import CountCommands
from tests.deployments import Deployment
from tests.limits import LIMITS
from tests.servers.redis_server import RedisServer

Take = Callable[[dict[str, tuple[int, int]]], float]
TAKES = [
    pytest.param(take, marks=pytest.mark.redis, id="redis"),
    pytest.param(MemoryLimits().take, id="memory"),
]


@pytest.mark.parametrize("take", TAKES)
def test_so_many_at_once_and_then_one_by_one(take: Take) -> None:
    """Three of three pass; the fourth is told to wait for a third of the time."""
    rate = {"limit:{x}:a": (3, 3000)}
    assert [take(rate) for _ in range(3)] == [0, 0, 0]
    assert 990 < take(rate) <= 1000


@pytest.mark.parametrize("take", TAKES)
def test_all_limits_count_a_request_or_none(take: Take) -> None:
    """A request that one limit refuses uses up nothing of the other."""
    tight, loose = {"limit:{x}:t": (1, 3600)}, {"limit:{x}:l": (2, 3600)}
    assert take(tight | loose) == 0
    assert [take(tight | loose) > 0 for _ in range(5)] == [True] * 5
    assert take(loose) == 0
    assert take(loose) > 0


@pytest.mark.parametrize("take", TAKES)
def test_forty_at_once_are_five(take: Take) -> None:
    """However many ask at the same moment, the limit is exact."""
    waits = run_together([partial(take, {"limit:{x}:f": (5, 3600)})] * 40)
    assert waits.count(0) == 5
    assert not any(isinstance(wait, Exception) for wait in waits)


def test_time_gives_back_one_after_the_other() -> None:
    """And never more than the limit, however long nobody came."""
    now = [1000.0]
    limits, rate = MemoryLimits(clock=lambda: now[0]), {"a": (2, 10)}
    assert [limits.take(rate) for _ in range(3)] == [0, 0, 5]
    now[0] += 5
    assert [limits.take(rate) for _ in range(2)] == [0, 5]
    now[0] += 1000
    assert [limits.take(rate) for _ in range(3)] == [0, 0, 5]


def test_memory_of_a_process_is_bounded() -> None:
    """The keys that were used longest ago go first."""
    limits = MemoryLimits(max_keys=2)
    for key in ("a", "b", "a", "c"):
        limits.take({key: (2, 3600)})
    assert limits.take({"a": (2, 3600)}) > 0
    assert [limits.take({"b": (1, 3600)}), limits.take({"b": (1, 3600)}) > 0] == [0, True]


@pytest.mark.redis
def test_a_limit_is_one_round_trip(count_commands: CountCommands, rf: RequestFactory) -> None:
    """Address, pair and account together are one script."""
    with count_commands() as counts:
        check_limit(rf.post("/"), "login", account="alice@example.com")
    assert counts["eval"] == 1
    assert set(counts) == {"eval", "get", "set", "time"}


@pytest.mark.redis
def test_every_kind_of_redis_counts(deployment: Deployment) -> None:
    """A cluster, too: the keys of one request are in one slot."""
    rates = {"limit:{x}:a": (1, 3600), "limit:{x}:b": (1, 3600)}
    assert take(rates) == 0
    assert take(rates) > 0
    assert MEMORY.take(rates) == 0, "the process counted instead of Redis"


@pytest.mark.redis
@pytest.mark.parametrize("value", ["x", "", "-1", "1e300", "nan", "inf", "-inf", "9" * 400])
def test_foreign_values_in_redis_open_nothing(redis_client: Redis, value: str) -> None:
    """What others write there counts from now on, at most as full as a limit can be."""
    redis_client.set("hmb:1:limit:{x}:a", value)
    waits = [take({"limit:{x}:a": (2, 3600)}) for _ in range(3)]
    assert waits[2] > 0
    assert max(waits) <= 1800


@pytest.mark.redis
def test_foreign_types_in_redis_open_nothing(redis_client: Redis) -> None:
    """A list where a number was is replaced."""
    redis_client.rpush("hmb:1:limit:{x}:a", "x")
    assert [take({"limit:{x}:a": (1, 3600)}) > 0 for _ in range(2)] == [False, True]


@pytest.mark.redis
def test_keys_expire_and_name_nobody(
    redis_client: Redis, rf: RequestFactory, settings: Settings
) -> None:
    """Neither an email nor an address is in Redis, and nothing stays there."""
    settings.AUTH_LIMITS = {"login": dict.fromkeys(SCOPES, (1, 60))}
    request = rf.post("/", REMOTE_ADDR="203.0.113.9")
    check_limit(request, "login", account="alice@example.com")
    keys = [key.decode() for key in redis_client.scan_iter("*limit:*")]
    assert len(keys) == 3
    for key in keys:
        assert "alice" not in key
        assert "203.0" not in key
        assert 0 < redis_client.pttl(key) <= 60_000


@pytest.mark.redis
@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["killed", "hung", "full"])
def test_without_redis_the_process_counts(
    anybody: APIClient, alice: User, settings: Settings, redis_server: RedisServer, fault: str
) -> None:
    """Never open, never a 500."""
    lead_shared_alias(settings, redis_server.url)
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"login": {"account": (3, 3600)}}
    if fault == "full":
        with Redis.from_url(redis_server.url) as client:
            client.config_set("maxmemory", 1)
    else:
        (redis_server.kill if fault == "killed" else redis_server.pause)()
    body = {"email": alice.email, "password": "wrong"}
    codes = [anybody.post("/auth/login", body).status_code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    if fault == "hung":
        redis_server.resume()


def test_account_is_locked_out_from_one_address_only(
    rf: RequestFactory, settings: Settings
) -> None:
    """An attacker at one address can't lock out the owner, at another."""
    settings.AUTH_LIMITS = {
        "login": {"address": (100, 60), "pair": (10, 3600), "account": (30, 3600)}
    }
    attacker, owner = (rf.post("/", REMOTE_ADDR=f"203.0.113.{n}") for n in (1, 2))
    for number in range(80):
        with pytest.raises(TooManyAttempts) if number >= 10 else nullcontext():
            check_limit(attacker, "login", account="alice@example.com")
    check_limit(owner, "login", account="alice@example.com")


def test_many_addresses_share_the_limit_of_an_account(
    rf: RequestFactory, settings: Settings
) -> None:
    """A botnet gets as many guesses at one account as the account has."""
    settings.AUTH_LIMITS = {"login": {"address": (5, 3600), "account": (7, 3600)}}
    for number in range(20):
        request = rf.post("/", REMOTE_ADDR=f"198.51.100.{number}")
        if number < 7:
            check_limit(request, "login", account="alice@example.com")
            continue
        with pytest.raises(TooManyAttempts) as refused:
            check_limit(request, "login", account="alice@example.com")
        assert 500 < refused.value.wait <= 515


@pytest.mark.django_db
def test_spellings_of_an_email_share_its_limit(anybody: APIClient, settings: Settings) -> None:
    """Case, blanks and full-width letters give no further guesses, at the admin site neither."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"login": {"account": (3, 3600)}}
    for email in ("alice@example.com", " ALICE@example.com"):
        body = {"email": email, "password": PASSWORD}
        assert anybody.post("/auth/login", body).status_code == 401
    form = {"username": "\uff41lice@example.com", "password": PASSWORD}
    assert anybody.post("/admin/login/", form, format="multipart").status_code == 200
    for path, name in (("/auth/login", "email"), ("/admin/login/", "username")):
        body = {name: "Alice@example.com", "password": PASSWORD}
        kind = "json" if name == "email" else "multipart"
        refused = anybody.post(path, body, format=kind)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 1200


@pytest.mark.django_db
def test_forged_header_gives_no_further_guesses(anybody: APIClient, settings: Settings) -> None:
    """An address of the client's own invention counts for nothing."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"login": {"address": (3, 3600)}}
    for proxies in (0, 1):
        settings.NUM_PROXIES = proxies
        codes = [
            anybody.post(
                "/auth/login",
                {"email": f"{number}@example.com", "password": PASSWORD},
                HTTP_X_FORWARDED_FOR=f"10.0.0.{number}" + ", 203.0.113.9" * proxies,
            ).status_code
            for number in range(4)
        ]
        assert codes == [401, 401, 401, 429]


@pytest.mark.django_db
def test_guesses_at_the_password_are_counted_together(
    as_alice: APIClient, settings: Settings
) -> None:
    """Changing the password and closing the account are one limit; the account stays usable."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"password": {"account": (2, 3600)}}
    guess = {"current_password": "wrong", "new_password": "Guava-Duff-2042"}
    assert as_alice.post("/auth/change-password", guess).status_code == 400
    assert as_alice.delete("/auth/account", {"password": "wrong"}).status_code == 400
    assert as_alice.post("/auth/change-password", guess).status_code == 429
    assert as_alice.delete("/auth/account", {"password": PASSWORD}).status_code == 429
    assert as_alice.get("/auth/verify").status_code == 200


@pytest.mark.django_db
def test_admin_change_of_password_is_limited(admin: APIClient, settings: Settings) -> None:
    """A stolen session of the admin site can't guess the password there."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"password": {"account": (2, 3600)}}
    form = {"old_password": "wrong", "new_password1": "x", "new_password2": "x"}
    codes = [admin.post("/admin/password_change/", form).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_tests_know_every_limit(settings: Settings) -> None:
    """Those that the plugin sets are those that there are."""
    known = {
        f"{action}_{scope}" for action, scopes in settings.AUTH_LIMITS.items() for scope in scopes
    }
    assert known == set(LIMITS)


@pytest.mark.parametrize(
    "value", ["x", "login_address", "login_address=0/60", "login_address=5/0", "x_address=1/1"]
)
def test_bad_rate_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """With what may be written instead."""
    monkeypatch.setenv("AUTH_LIMITS", value)
    with pytest.raises(ImproperlyConfigured, match=r"AUTH_LIMITS has .* login_address=100/60"):
        read_rates("AUTH_LIMITS", {"login": {"address": (1, 1)}})


def test_rate_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What isn't named keeps its default."""
    monkeypatch.setenv("AUTH_LIMITS", "login_address=5/60, login_pair=6/70")
    defaults = {"login": {"address": (1, 1), "pair": (1, 1), "account": (2, 2)}}
    expected = {"login": {"address": (5, 60), "pair": (6, 70), "account": (2, 2)}}
    assert read_rates("AUTH_LIMITS", defaults) == expected
