"""Every error that the schema shows is one that the API answers, and no other is."""

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.contrib.auth.hashers import make_password
from django.db import OperationalError
from django.db.models import F
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.api_keys.services import create_key
from accounts.errors import Busy, StorageFull, StorageUnavailable
from accounts.limits.rates import SCOPES
from accounts.models import LoginSession, User
from accounts.openid_connect.errors import ProviderUnavailable
from accounts.schema.examples import NEW_PASSWORD
from accounts.second_factor.services import begin_set_up, confirm_set_up
from accounts.services.administration import revoke_tokens
from accounts.services.sessions import log_out, refresh_session, start_session
from accounts.tokens.claims import AccessToken
from accounts.tokens.refresh_cookies import get_name
from hiremebahamas.errors import handle_exception
from tests import cast
from tests.accounts.endpoints import NEW_PASSKEY, SHOWN
from tests.accounts.openid_connect.offences import NOT_OURS, offend_by_provider
from tests.cast import PASSWORD, token_of
from tests.openapi import Operation, list_examples, list_operations

pytestmark = pytest.mark.django_db

OPERATIONS = {operation.name: operation for operation in list_operations()}
GUARDED = [operation for operation in OPERATIONS.values() if "security" in operation.description]
KEYED = [
    operation for operation in GUARDED if {"apiKeyAuth": []} in operation.description["security"]
]
TOO_MUCH = "x" * (6 * 1024 * 1024 + 1)
LONGER_THAN_THE_GRACE = timedelta(minutes=2)

# What the examples of messages by field answer to: a body, or a query.
BAD_BODIES: dict[str, dict[str, Any]] = {
    "register": {
        "email": "grace",
        "password": PASSWORD,
        "first_name": "Grace",
        "last_name": "Albury",
        "username": "g",
    },
    "login": {"email": "grace@example.com"},
    "refresh": {},
    "logout": {},
    "update_profile": {"phone": "x", "frist_name": "Grace"},
    "patch_profile": {"phone": "x", "frist_name": "Grace"},
    "change_password": {"current_password": "wrong", "new_password": NEW_PASSWORD},
    "close_account": {"password": "wrong"},
    "export_account": {"password": "wrong"},
    "ask_for_reopening": {"email": "grace"},
    "reopen_account": {"token": "x"},
    "ask_for_reset": {"email": "grace"},
    "reset_password": {"token": "x", "new_password": NEW_PASSWORD},
    "create_api_key": {"name": "Payroll export", "password": "wrong"},
    "change_email": {"new_email": "grace.albury@example.com", "password": "wrong"},
    "confirm_email": {"token": "x"},
    "set_up_second_factor": {"password": "wrong"},
    "renew_recovery_codes": {"password": "wrong", "code": "123456"},
    "turn_off_second_factor": {"password": "wrong", "code": "123456"},
    "finish_login": {"challenge": "x:y:z"},
    "set_up_at_login": {},
    "begin_passkey": {"password": "wrong", "code": "123456"},
    "add_passkey": {"name": "x", "state": "x", "credential": {}},
    "remove_passkey": {"password": "wrong"},
    "begin_provider_login": {"provider": "x"},
    "complete_provider_login": {"flow": "x", "state": "x"},
    "begin_link": {"provider": "x"},
    "complete_link": {"flow": "x", "state": "x"},
    "unlink": {"password": "wrong"},
    "begin_passkey_login": {},
    "finish_passkey_login": {"challenge": "x:y:z", "credential": {}},
    "finish_passwordless_login": {"challenge": "x:y:z", "credential": {}},
}
BAD_QUERIES = {"list_users": "?page=0", "list_events": "?page_size=101", "look_up_user": ""}
TAKEN = {
    "email": "alice@example.com",
    "password": PASSWORD,
    "first_name": "Alice",
    "last_name": "Rolle",
}
SLOW = (
    *(
        "register",
        "login",
        "change_password",
        "close_account",
        "export_account",
        "upload_avatar",
        "update_profile",
        "patch_profile",
        "list_users",
    ),
    *("reset_password", "change_email", "confirm_email", "create_api_key"),
    *("set_up_second_factor", "renew_recovery_codes", "turn_off_second_factor"),
    *("begin_passkey", "remove_passkey"),
    *("begin_provider_login", "complete_provider_login", "begin_link", "complete_link", "unlink"),
)
BY_PROVIDER = ("begin_provider_login", "complete_provider_login", "begin_link", "complete_link")
PROOF = {"password": PASSWORD, "code": "x"}
PROVEN = {
    "change_password": {"new_password": NEW_PASSWORD},
    "close_account": {},
    "export_account": {},
    "change_email": {"new_email": "grace.albury@example.com"},
    "update_profile": {"phone": "242-555-7777"},
    "patch_profile": {"phone": "242-555-7777"},
    "create_api_key": {"name": "Payroll export"},
    "set_up_second_factor": {},
    "renew_recovery_codes": {"code": "x"},
    "turn_off_second_factor": {"code": "x"},
    "begin_passkey": {"code": "x"},
    "remove_passkey": {},
    "begin_link": {"provider": "google"},
    "unlink": {},
}
"""What asks for the password, without it."""

# The operation, the status, the body.
Answer = tuple[str, int, str]


def format_all(operation: Operation, status: int | str, body: Any) -> Answer:
    if "challenge" in body and "code" in body:
        body = body | {"challenge": "another each time"}
    return operation.name, int(status), json.dumps(body, sort_keys=True)


def shown() -> Iterator[Answer]:
    """Yield every error that the schema shows."""
    for operation in OPERATIONS.values():
        for status, described in operation.description["responses"].items():
            for body in list_examples(described) if status >= "400" else ():
                yield format_all(operation, status, body)


class Offender:
    """Alice, doing what is refused."""

    def __init__(self, alice: User) -> None:
        """Log her in."""
        self.client = APIClient()
        self.token = token_of(alice)
        self.challenge = ""

    def offend(
        self,
        name: str,
        body: Any = "",
        kind: str = "application/json",
        query: str = "",
        **headers: Any,
    ) -> Answer:
        """Send a request, and return what comes back."""
        operation = OPERATIONS[name]
        ids = {"user_id": 1000, "passkey_id": 1000, "session_id": uuid.uuid4(), "key_id": "x"}
        ids["identity_id"] = headers.pop("identity_id", 1000)
        path = operation.path.format(**ids) + query
        headers = {"HTTP_AUTHORIZATION": f"Bearer {self.token}"} | headers
        text = body if isinstance(body, str) else json.dumps(body)
        response: Any = self.client.generic(operation.method, path, text, kind, **headers)
        self.challenge = response.json().get("challenge") or self.challenge
        return format_all(operation, response.status_code, response.json())


def offend_everywhere(offender: Offender) -> Iterator[Answer]:
    """Do what is wrong with many operations, and with any user."""
    for name, operation in OPERATIONS.items():
        yield offender.offend(name, HTTP_ACCEPT="text/html")
        if operation.media_type:
            yield offender.offend(name, "x", "text/plain")
            yield offender.offend(name, "x", operation.media_type)
            yield offender.offend(name, TOO_MUCH, f"{operation.media_type}; boundary=x")
        if name in BAD_BODIES:
            yield offender.offend(name, BAD_BODIES[name])
        if name in BAD_QUERIES:
            yield offender.offend(name, query=BAD_QUERIES[name])


def offend_alone(offender: Offender, user: User) -> Iterator[Answer]:
    """Do what is wrong with one operation."""
    yield offender.offend("get_user")
    yield offender.offend("end_session")
    yield offender.offend("revoke_api_key")
    yield offender.offend("look_up_user", query="?username=nobody")
    yield offender.offend("look_up_user", query="?email=bob@example.com")
    form = '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nb\r\n--x--\r\n'
    yield offender.offend("upload_avatar", form, "multipart/form-data; boundary=x")
    yield offender.offend("login", {"email": "grace@example.com", "password": PASSWORD})
    yield offender.offend("logout", {"refresh_token": "x.y.z"})
    yield offender.offend("refresh", {"refresh_token": "x.y.z"})
    yield offender.offend("refresh_by_cookie")
    yield offender.offend("logout_by_cookie")
    used = {"refresh_token": start_session(user=user).refresh_token}
    refresh_session(refresh_token=used["refresh_token"])
    LoginSession.objects.update(rotated_at=F("rotated_at") - LONGER_THAN_THE_GRACE)
    yield offender.offend("refresh", used)
    yield offender.offend("refresh", used)
    yield from offend_by_cookie(offender, user)


def offend_by_cookie(offender: Offender, user: User) -> Iterator[Answer]:
    """Come with a used refresh token, twice, and with none."""
    name, header = "refresh_by_cookie", {"HTTP_X_REFRESH_COOKIE": "1"}
    used = start_session(user=user).refresh_token
    refresh_session(refresh_token=used)
    LoginSession.objects.update(rotated_at=F("rotated_at") - LONGER_THAN_THE_GRACE)
    cookie = {"HTTP_COOKIE": f"{get_name()}={used}"} | header
    yield offender.offend(name, **cookie)
    yield offender.offend(name, **cookie)
    yield offender.offend(name, **header)


def offend_in_two_steps(offender: Offender, user: User, settings: Settings) -> Iterator[Answer]:
    """Do what is wrong with a second factor: without one, while setting up, and with one."""
    credentials = {"email": user.email, "password": PASSWORD}
    settings.AUTH_SECOND_FACTOR_FOR_STAFF = True
    User.objects.filter(pk=user.pk).update(is_admin=True)
    yield offender.offend("login", credentials)
    step = {"challenge": offender.challenge, "code": "x"}
    yield offender.offend("finish_login", step)
    User.objects.filter(pk=user.pk).update(is_admin=False)
    for name in ("renew_recovery_codes", "turn_off_second_factor", "begin_passkey"):
        yield offender.offend(name, PROOF)
    yield offender.offend("add_passkey", NEW_PASSKEY)
    yield offender.offend("remove_passkey", PROOF)
    yield offender.offend("confirm_second_factor", {"code": "x"})
    secret = begin_set_up(user_id=user.pk, proof=cast.PROOF).secret
    yield offender.offend("confirm_second_factor", {"code": "x"})
    confirm_set_up(user_id=user.pk, code=pyotp.TOTP(secret).now())
    yield offender.offend("confirm_second_factor", {"code": "x"})
    yield offender.offend("set_up_second_factor", {"password": PASSWORD})
    yield offender.offend("login", credentials)
    step["challenge"] = offender.challenge
    yield offender.offend("finish_login", step)
    yield offender.offend("set_up_at_login", {"challenge": offender.challenge})
    shown = SHOWN | {"challenge": offender.challenge}
    yield offender.offend("finish_passkey_login", shown)
    yield offender.offend("finish_passkey_login", SHOWN)
    offender.offend("begin_passwordless_login")
    for answer in (SHOWN, SHOWN | {"challenge": offender.challenge}):
        yield offender.offend("finish_passwordless_login", answer)
    for name in ("finish_login", "set_up_at_login", "begin_passkey_login"):
        body = {"challenge": "x:y:z"} | ({"code": "x"} if name == "finish_login" else {})
        yield offender.offend(name, body)


def offend_without_password(offender: Offender) -> Iterator[Answer]:
    """Prove nothing, of an account that has no password."""
    rows = User.objects.filter(email="alice@example.com")
    password = rows.get().password
    rows.update(password=make_password(None))
    for name, body in PROVEN.items():
        yield offender.offend(name, body)
    rows.update(password=password)


def offend_with_bad_tokens(offender: Offender, tokens: list[str]) -> Iterator[Answer]:
    """Come without a good access token wherever one is wanted."""
    for operation in GUARDED:
        for header in ("", *(f"Bearer {token}" for token in tokens)):
            yield offender.offend(operation.name, HTTP_AUTHORIZATION=header)


def offend_with_keys(offender: Offender, user: User) -> Iterator[Answer]:
    """Come with an API key that is none, and write with one that may only read."""
    _, key = create_key(
        user_id=user.pk, proof=cast.PROOF, name="x", scope="read", expires_in_days=1
    )
    for operation in KEYED:
        yield offender.offend(operation.name, HTTP_AUTHORIZATION="Api-Key x")
        if operation.method != "GET":
            yield offender.offend(operation.name, HTTP_AUTHORIZATION=f"Api-Key {key}")


def offend_too_often(offender: Offender, settings: Settings) -> Iterator[Answer]:
    """Do what is limited more often than that."""
    once = dict.fromkeys(SCOPES, (1, 3600))
    settings.AUTH_LIMITS = dict.fromkeys(settings.AUTH_LIMITS, once)
    offender.offend("register", TAKEN)
    yield offender.offend("register", TAKEN)
    for _ in range(2):
        yield offender.offend("login", {"email": "grace@example.com", "password": PASSWORD})
        yield offender.offend("refresh", {"refresh_token": "x.y.z"})
        used = {"HTTP_COOKIE": f"{get_name()}=x.y.z", "HTTP_X_REFRESH_COOKIE": "1"}
        yield offender.offend("refresh_by_cookie", **used)
    yield offender.offend("change_password", BAD_BODIES["change_password"])
    yield offender.offend("change_password", BAD_BODIES["change_password"])
    for name in (
        "close_account",
        "export_account",
        "set_up_second_factor",
        "turn_off_second_factor",
    ):
        yield offender.offend(name, BAD_BODIES[name])
    for name in ("begin_passkey", "remove_passkey"):
        yield offender.offend(name, BAD_BODIES[name])
    yield offender.offend("renew_recovery_codes", BAD_BODIES["renew_recovery_codes"])
    step = {"challenge": "x:y:z", "code": "x"}
    offender.offend("finish_login", step)
    yield offender.offend("finish_login", step)
    yield offender.offend("set_up_at_login", {"challenge": "x:y:z"})
    yield offender.offend("begin_passkey_login", {"challenge": "x:y:z"})
    yield offender.offend("finish_passkey_login", SHOWN)
    for name in ("begin_passwordless_login", "finish_passwordless_login"):
        yield offender.offend(name, SHOWN if name.startswith("finish") else "")
    yield offender.offend("confirm_second_factor", {"code": "x"})
    yield offender.offend("add_passkey", NEW_PASSKEY)
    yield offender.offend("change_email", BAD_BODIES["change_email"])
    offender.offend("ask_for_reset", {"email": "alice@example.com"})
    yield offender.offend("ask_for_reset", {"email": "alice@example.com"})
    yield offender.offend("ask_for_reopening", {"email": "alice@example.com"})
    yield offender.offend("ask_for_verification")
    for name in ("confirm_email", "reset_password", "confirm_email", "reopen_account"):
        yield offender.offend(name, BAD_BODIES[name])
    yield offender.offend("create_api_key", BAD_BODIES["create_api_key"])
    for name in ("update_profile", "patch_profile"):
        yield offender.offend(name, {"phone": "242-555-7777"})
    offender.offend("begin_provider_login", {"provider": "google"})
    yield offender.offend("begin_provider_login", {"provider": "google"})
    yield offender.offend("complete_provider_login", NOT_OURS)
    yield offender.offend("begin_link", {"provider": "google"})
    yield offender.offend("complete_link", NOT_OURS)
    yield offender.offend("unlink", BAD_BODIES["unlink"])
    offender.offend("list_users")
    yield offender.offend("list_users")
    offender.offend("verify", HTTP_AUTHORIZATION="Api-Key x")
    for operation in KEYED:
        yield offender.offend(operation.name, HTTP_AUTHORIZATION="Api-Key x")


def test_every_error_is_shown_as_it_is(alice: User, charlie: User, settings: Settings) -> None:
    """Each operation's 400, 401, 403, 404, 406, 413, 415 and 429, word for word, and no other."""
    revoked = token_of(alice)
    alice = revoke_tokens(user_id=alice.pk)
    pair = start_session(user=alice)
    log_out(refresh_token=pair.refresh_token)
    nobody = AccessToken.mint(user_id=alice.pk + 1000, token_version=1, session_id=uuid.uuid4())
    offender = Offender(alice)
    answers = {
        *offend_everywhere(offender),
        *offend_alone(offender, alice),
        *offend_by_provider(offender.offend, alice, charlie, settings),
        *offend_without_password(offender),
        *offend_with_keys(offender, alice),
        *offend_in_two_steps(offender, alice, settings),
        *offend_with_bad_tokens(
            offender, ["x", revoked, token_of(charlie), nobody, pair.access_token]
        ),
        *offend_too_often(offender, settings),
    }
    assert answers == {answer for answer in shown() if answer[1] < 500}


def test_our_own_failures_are_shown_as_they_are() -> None:
    """The same 503 without a database; of slow work, another; without a provider, a third one."""
    errors: list[tuple[str, Exception]] = [(name, OperationalError()) for name in OPERATIONS]
    errors += [(name, Busy()) for name in SLOW]
    errors += [(name, ProviderUnavailable()) for name in BY_PROVIDER]
    errors += [("upload_avatar", refusal()) for refusal in (StorageUnavailable, StorageFull)]
    expected = set[Answer]()
    for name, error in errors:
        response = handle_exception(error, {})
        assert response is not None
        expected.add(format_all(OPERATIONS[name], response.status_code, response.data))
    assert {answer for answer in shown() if answer[1] >= 500} == expected
