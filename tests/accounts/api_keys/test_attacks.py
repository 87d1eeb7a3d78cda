"""What is no key opens nothing, tells nothing, and costs little."""

import hmac
import io
import logging
import pickle
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.db import OperationalError
from django.urls import get_resolver
from pytest_django import DjangoAssertNumQueries, Settings
from redis import Redis
from rest_framework.test import APIClient

from accounts.api_keys import known, services
from accounts.api_keys.access import KeyedView, WithinScope
from accounts.api_keys.authentication import ApiKeyAuthentication
from accounts.api_keys.keys import hash_key
from accounts.api_keys.models import ApiKey
from accounts.limits.rates import MEMORY
from accounts.models import User
from hiremebahamas import wsgi
from tests.accounts.api_keys.program import Program, ask, having, make_program
from tests.accounts.endpoints import GUARDED, Endpoint
from tests.cast import NEW_PASSWORD, PASSWORD
from tests.counting import CountCommands
from tests.steering import keep_redis_away
from usercache.auth.forward import ForwardAuth

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = (200, None)
BAD = (401, "api_key_not_valid")

KEYED = {
    *("GET /auth/verify", "GET /auth/profile", "PUT /auth/profile", "PATCH /auth/profile"),
    *("POST /auth/upload-avatar", "GET /users", "GET /users/1", "GET /users/lookup"),
}
CHANGING = {"PUT /auth/profile", "PATCH /auth/profile", "POST /auth/upload-avatar"}

FORGERIES: dict[str, Callable[[Program], str]] = {
    "nothing": lambda _: "",
    "truncated": lambda program: program.key[:-1],
    "extended": lambda program: program.key + "A",
    "id alone": lambda program: program.key_id,
    "secret alone": lambda program: program.key.rpartition("_")[2],
    "no secret": lambda program: program.key[: len("hmb_") + 17],
    "other prefix": lambda program: program.key.replace("hmb_", "hmc_", 1),
    "upper case": lambda program: program.key.upper(),
    "other id": lambda program: program.key.replace(program.key_id, "0" * 16),
    "last character": lambda program: program.key[:-1] + ("A" if program.key[-1] != "A" else "B"),
    "its hash": lambda program: hash_key(program.key),
    "hash as secret": lambda program: f"hmb_{program.key_id}_{hash_key(program.key)[:43]}",
    "two": lambda program: f"{program.key} {program.key}",
    "with a comma": lambda program: f"{program.key},",
    "not ASCII": lambda program: program.key[:-1] + "\xe9",
    "NUL": lambda program: program.key[:-1] + "\x00",
    "SQL": lambda program: f"hmb_{program.key_id}' OR '1'='1_{'A' * 43}",
    "very long": lambda program: program.key + "A" * 100_000,
}


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
def test_forgery_is_refused(alice: User, name: str, is_warm: bool) -> None:
    """In the same words for all, whether the real key is known here or not."""
    program = make_program(alice)
    if is_warm:
        assert program.verify() == GOOD
    assert ask(f"Api-Key {FORGERIES[name](program)}") == BAD
    assert program.verify() == GOOD


def test_secret_of_another_opens_nothing(alice: User, bob: User) -> None:
    """Not with the id of one's own key, nor the other way round."""
    hers, his = make_program(alice), make_program(bob)
    mixed = hers.key.replace(hers.key_id, his.key_id)
    assert ask(f"Api-Key {mixed}") == BAD
    assert hers.client.get("/auth/verify").json()["user_id"] == alice.pk


@pytest.mark.parametrize("scheme", ["Bearer", "Token", "Basic", "ApiKey", ""])
def test_key_under_another_scheme_is_refused(alice: User, scheme: str) -> None:
    """It is no access token."""
    assert ask(f"{scheme} {make_program(alice).key}".strip())[0] == 401


@pytest.mark.parametrize("scheme", ["Api-Key", "api-key", "API-KEY"])
def test_scheme_may_be_in_any_case(alice: User, scheme: str) -> None:
    """As RFC 9110, section 11.1, has it."""
    assert ask(f"{scheme} {make_program(alice).key}") == GOOD


@pytest.mark.parametrize("endpoint", GUARDED, ids=str)
def test_key_does_what_its_scope_says(alice: User, endpoint: Endpoint) -> None:
    """`read` reads, `write` writes as well; neither manages the account, nor makes keys."""
    for scope in ("read", "write"):
        client = make_program(alice, scope).client
        response = getattr(client, endpoint.method.lower())(endpoint.path, endpoint.body)
        if str(endpoint) not in KEYED:
            assert response.status_code == 401
        elif scope == "read" and str(endpoint) in CHANGING:
            assert (response.status_code, response.json()["code"]) == (403, "out_of_scope")
        else:
            assert response.status_code in (200, 400, 404)
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert not alice.check_password(NEW_PASSWORD)


def test_every_view_that_takes_keys_asks_their_scope() -> None:
    """No view lists the one class without the other."""
    views: list[Any] = [
        getattr(pattern.callback, "cls", None)
        for pattern in cast(Any, get_resolver()).url_patterns
        if hasattr(pattern, "callback")
    ]
    views += [
        getattr(pattern.callback, "cls", None)
        for resolver in cast(Any, get_resolver()).url_patterns
        for pattern in getattr(resolver, "url_patterns", ())
        if hasattr(pattern, "callback")
    ]
    keyed = [v for v in views if v and ApiKeyAuthentication in v.authentication_classes]
    assert len(keyed) >= 6
    for view in keyed:
        assert issubclass(view, KeyedView)
        assert WithinScope in view.permission_classes


def test_unknown_scope_may_only_read(alice: User) -> None:
    """A row from a later version gives nothing away."""
    program = make_program(alice, "write")
    ApiKey.objects.update(scope="everything")
    assert program.verify() == GOOD
    assert program.client.put("/auth/profile", {"bio": "x"}).status_code == 403


def test_hashes_are_compared_in_constant_time(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a key is compared with what a row has."""
    compared = list[tuple[Any, Any]]()

    def compare(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return bool(one == other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    program = make_program(alice)
    wrong = program.key[:-1] + ("A" if program.key[-1] != "A" else "B")
    assert ask(f"Api-Key {wrong}") == BAD
    assert compared == [(hash_key(program.key), hash_key(wrong))]


def test_unknown_keys_are_limited(alice: User, settings: Settings) -> None:
    """By address, each of them costing one query at most; a known key isn't counted."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"key": {"address": (3, 300)}}
    program = make_program(alice)
    assert program.verify() == GOOD
    guesses = [ask(f"Api-Key hmb_{'0' * 16}_{n:043}")[0] for n in range(4)]
    assert guesses == [401, 401, 429, 429]
    assert program.verify() == GOOD


def test_guess_costs_one_query(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """What can't be a key costs none."""
    make_program(alice)
    with django_assert_num_queries(1):
        ask(f"Api-Key hmb_{'0' * 16}_{'A' * 43}")
    with django_assert_num_queries(0):
        ask("Api-Key hmb_x_y")


def test_revoked_key_costs_no_query(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Where it was known: a program that doesn't stop is no load."""
    program = make_program(alice)
    program.verify()
    services.revoke_key(user_id=alice.pk, key_id=program.key_id)
    assert program.verify() == BAD
    with django_assert_num_queries(0):
        assert program.verify() == BAD


@pytest.mark.redis
def test_no_byte_of_a_secret_is_anywhere(
    alice: User,
    redis_client: Redis,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Redis, this process' memory of keys, the log, every answer after the first."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("usercache.codec.COMPRESSION_LEVEL", 0)
    program = make_program(alice, "write")
    secret, hashed = program.key[-43:], hash_key(program.key)
    answers = [
        program.client.get("/auth/verify"),
        program.client.get("/auth/profile"),
        program.client.put("/auth/profile", {"bio": "x"}),
        program.client.get("/auth/api-keys"),
        having(program.key + "x").get("/auth/verify"),
        program.client.get("/auth/verify"),
    ]
    keys = [
        key for key in redis_client.scan_iter(count=1000) if redis_client.type(key) == b"string"
    ]
    held = b"".join(key + (redis_client.get(key) or b"") for key in keys)
    assert program.key_id.encode() in held
    remembered = pickle.dumps([*known.KNOWN._known.items()]) + pickle.dumps([*MEMORY._full_at])
    assert program.key_id.encode() in remembered
    heads = [f"{answer.content!r}{answer.headers}".encode() for answer in answers]
    for place in (held, remembered, caplog.text.encode(), *heads):
        for form in (secret, secret[:20], secret[20:], hashed):
            assert form.encode() not in place
        assert bytes.fromhex(hashed) not in place


@pytest.mark.redis
@pytest.mark.usefixtures("redis_server")
def test_keys_are_good_without_redis(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """While Redis is away a key is good, a forgery isn't, and a revoked one is refused at once."""
    program = make_program(alice)
    keep_redis_away()
    assert program.verify() == GOOD
    with django_assert_num_queries(0):
        assert program.verify() == GOOD
    assert ask(f"Api-Key {program.key[:-2]}AA") == BAD
    services.revoke_key(user_id=alice.pk, key_id=program.key_id)
    assert program.verify() == BAD


def test_known_key_needs_no_database(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warm it is good while the database is away, and an unknown one is a 503."""
    program, other = make_program(alice), make_program(alice)
    program.verify()

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError

    monkeypatch.setattr(ApiKey.objects, "filter", fail)
    assert program.verify() == GOOD
    assert other.verify() == (503, "database_unavailable")


@pytest.mark.redis
def test_warm_key_costs_what_a_token_costs(
    alice: User,
    as_alice: APIClient,
    count_commands: CountCommands,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """No query, and one GET, as with an access token."""
    client = make_program(alice).client
    for _ in range(2):
        client.get("/auth/verify")
        as_alice.get("/auth/verify")
    counts = list[dict[str, int]]()
    for who in (client, as_alice):
        with count_commands() as commands, django_assert_num_queries(0):
            assert who.get("/auth/verify").status_code == 200
        counts.append(dict(commands))
    assert counts == [{"get": 1}] * 2


def forward(key: str) -> tuple[str, dict[str, str]]:
    """Return the status and the headers of a gateway's question."""
    answers: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: Any, *rest: object) -> Callable[[bytes], object]:
        answers.append((status, dict(headers)))
        return io.BytesIO().write

    request = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/auth/forward",
        "HTTP_AUTHORIZATION": f"Api-Key {key}",
        "REMOTE_ADDR": "203.0.113.9",
    }
    application: Any = wsgi._find_application()
    assert isinstance(application, ForwardAuth)
    b"".join(application(request, start_response))
    return answers[0]


def test_gateway_is_told_the_user_of_a_key(alice: User, settings: Settings) -> None:
    """If it may write: what is behind the gateway may do anything in their name."""
    settings.USERCACHE_FORWARD_SIGNING_KEY = "k" * 32
    reader, writer = make_program(alice, "read"), make_program(alice, "write")
    assert forward(writer.key)[0] == "200 OK"
    assert forward(writer.key)[1]["X-User-Id"] == str(alice.pk)
    assert forward(reader.key)[0] == "403 Forbidden"
    assert forward("x")[0] == "401 Unauthorized"
    services.revoke_key(user_id=alice.pk, key_id=writer.key_id)
    assert forward(writer.key)[0] == "401 Unauthorized"
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"key": {"address": (1, 300)}}
    MEMORY.clear()
    answers = [forward("y") for _ in range(20)]
    assert (answers[-1][0], "Retry-After" in answers[-1][1]) == ("429 Too Many Requests", True)
