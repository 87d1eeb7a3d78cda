"""Sent in order, the schema's examples of requests are answered by its examples of answers."""

from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.openid_connect.models import Identity
from accounts.schema.examples import NEW_EMAIL, NEW_PASSWORD, PASSWORD
from tests.accounts.openid_connect.offences import know_as_google
from tests.accounts.openid_connect.provider import Provider, person
from tests.accounts.pictures.test_avatars import picture
from tests.accounts.second_factor.security_key import DOMAIN, ORIGIN, SecurityKey
from tests.accounts.views.test_registration import FORM
from tests.openapi import list_examples, list_operations

pytestmark = pytest.mark.django_db

OPERATIONS = {operation.name: operation for operation in list_operations()}
# What differs from run to run.
VOLATILE = {"id", "user_id", "avatar_url", "created_at", "updated_at"}
VOLATILE |= {"access_token", "refresh_token", "key", "at", "last_used_at", "expires_at"}
VOLATILE |= {"address", "user_agent", "about", "next"}
VOLATILE |= {"exported_at", "last_login", "sessions", "api_keys", "events"}
VOLATILE |= {"issuer", "subject", "identities", "authorization_url", "flow"}
VOLATILE |= {"options", "state", "secret", "uri", "recovery_codes", "challenge"}


class Reader:
    """Somebody who does what is written there."""

    def __init__(self, provider: Provider) -> None:
        """Know nothing yet but who else knows her."""
        self.client = APIClient(HTTP_USER_AGENT="Firefox")
        self.known: dict[str, Any] = {}
        self.done = set[str]()
        self.passkey = SecurityKey()
        self.provider = provider

    def do(
        self,
        name: str,
        body: Any = None,
        query: str = "",
        *,
        example: bool = True,
        **options: Any,
    ) -> None:
        """Send the operation's example, and compare."""
        operation = OPERATIONS[name]
        body = body or next(list_examples(operation.description.get("requestBody", {})), None)
        if body and "refresh_token" in body:
            body = {"refresh_token": self.known["refresh_token"]}
        if body and "challenge" in body:
            body = body | {"challenge": self.known["challenge"]}
        if body and "flow" in body:
            body = self.go_to_provider()
        elif body and "code" in body:
            body = body | {"code": self.find_code()}
        if body and "credential" in body:
            body = body | self.answer(body)
        [listed] = self.known.get("results", [{}])
        ids = dict.fromkeys(("session_id", "key_id", "passkey_id", "identity_id"), listed.get("id"))
        path = operation.path.format(user_id=self.known.get("id"), **ids)
        path += query
        response = getattr(self.client, operation.method.lower())(path, body, **options)
        answer = response.json() if response.content else {}
        described = operation.description["responses"][str(response.status_code)]
        examples = [acknowledge(example) for example in list_examples(described)] or [{}]
        assert acknowledge(answer) in examples or not example, name
        known = {"results": [answer]} if {"key", "last_used_at"} & answer.keys() else answer
        self.known.update(known | answer.get("user", {}))
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.known['access_token']}")
        self.done.add(name)

    def answer(self, body: Any) -> Any:
        """Return what her browser answers to the last options, and what goes with it."""
        options = self.known["options"]
        if "state" in body:
            return {"state": self.known["state"], "credential": self.passkey.make(options)}
        return {"credential": self.passkey.show_alone(options)}

    def go_to_provider(self) -> dict[str, str]:
        """Return what her browser comes back with, and the flow."""
        back = self.provider.consent(self.known["authorization_url"], **person("grace"))
        return {"flow": self.known["flow"], "state": back["state"], "code": back["code"]}

    def find_code(self) -> str:
        """Return the first code of the app, and then the recovery codes."""
        codes = self.known.get("recovery_codes")
        return codes.pop() if codes else pyotp.TOTP(self.known["secret"]).now()


def acknowledge(value: Any, name: str = "") -> Any:
    """Return the value with what is volatile replaced by its type."""
    if isinstance(value, dict) and name not in VOLATILE:
        return {name: acknowledge(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [acknowledge(item, name) for item in value]
    return type(value) if value and name in VOLATILE else value


def read_token(number: int = -1) -> str:
    """Return the token of a message, the last one being -1."""
    token: str = mail.outbox[number].body.split("\n\n")[1]
    return token


def use_second_factor(reader: Reader, settings: Settings) -> None:
    """Set it up, log in with it, turn it off, and be told to set it up."""
    settings.AUTH_PASSKEY_ORIGINS, settings.AUTH_PASSKEY_DOMAIN = (ORIGIN,), DOMAIN
    for name in ("get_second_factor", "set_up_second_factor", "confirm_second_factor"):
        reader.do(name)
    for name in ("begin_passkey", "add_passkey"):
        reader.do(name)
    for name in ("login", "begin_passkey_login", "finish_passkey_login"):
        reader.do(name)
    for name in ("begin_passwordless_login", "finish_passwordless_login", "remove_passkey"):
        reader.do(name)
    for name in ("login", "finish_login", "renew_recovery_codes", "turn_off_second_factor"):
        reader.do(name)
    settings.AUTH_SECOND_FACTOR_FOR_STAFF = True
    User.objects.update(is_admin=True)
    for name in ("login", "set_up_at_login"):
        reader.do(name)
    User.objects.update(is_admin=False)


def use_provider(reader: Reader, settings: Settings) -> None:
    """Link it, log in by it, and unlink it."""
    know_as_google(reader.provider, settings)
    User.objects.update(is_email_verified=True)
    for name in ("list_providers", "begin_link", "complete_link", "list_identities"):
        reader.do(name)
    User.objects.update(is_email_verified=False)
    for name in ("begin_provider_login", "complete_provider_login"):
        reader.do(name)
    [identity] = Identity.objects.all()
    reader.known["results"] = [{"id": identity.pk}]
    reader.do("unlink")


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Run a provider in Google's place."""
    with Provider() as provider:
        yield provider


def test_every_example_works(settings: Settings, provider: Provider) -> None:
    """From registration to the end of the account; what is volatile has the type that is shown."""
    reader = Reader(provider)
    reader.do("register")
    reader.do("list_events", query="?page_size=1")
    reader.do("list_sessions")
    form = {"file": SimpleUploadedFile("me.png", picture("PNG"))}
    reader.do("upload_avatar", form, format="multipart")
    for name in ("update_profile", "patch_profile", "login", "refresh"):
        reader.do(name)
    for name in ("verify", "get_profile", "get_user", "end_session"):
        reader.do(name)
    reader.do("list_users", query="?search=chef")
    reader.do("look_up_user", query="?username=grace")
    grace = User.objects.get()
    identity = Identity.objects.create(user=grace, issuer="x", created_at=grace.created_at)
    for name in ("create_api_key", "list_api_keys", "export_account", "revoke_api_key"):
        reader.do(name)
    reader.do("logout")
    in_a_browser: dict[str, Any] = {"HTTP_X_REFRESH_COOKIE": "1"}
    reader.do("login", example=False, **in_a_browser)
    for name in ("refresh_by_cookie", "logout_by_cookie"):
        reader.do(name, **in_a_browser)
    reader.do("login")
    identity.delete()
    use_second_factor(reader, settings)
    reader.do("login")
    use_provider(reader, settings)
    for name in ("login", "end_sessions", "login", "change_password"):
        reader.do(name)
    reader.do("ask_for_verification")
    reader.do("change_email", {"new_email": NEW_EMAIL, "password": NEW_PASSWORD})
    reader.do("confirm_email", {"token": read_token()})
    reader.do("ask_for_reset", {"email": NEW_EMAIL})
    reader.do("reset_password", {"token": read_token(), "new_password": PASSWORD})
    reader.do("login", {"email": NEW_EMAIL, "password": PASSWORD}, example=False)
    reader.do("close_account")
    reader.do("ask_for_reopening", {"email": NEW_EMAIL})
    reader.do("reopen_account", {"token": read_token()})
    settings.AUTH_REGISTRATION_BY_MAIL = True
    reader.do("register", FORM | {"email": "ann@example.com"})
    assert reader.done == set(OPERATIONS)
