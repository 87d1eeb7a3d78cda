"""What is refused of those who come by a provider, for the schema's examples of errors."""

from collections.abc import Callable, Iterator
from typing import Any

import pyotp
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.openid_connect.documents import DOCUMENTS
from accounts.openid_connect.models import Identity
from accounts.second_factor.services import begin_set_up, confirm_set_up, remove_factors
from accounts.services.sessions import start_session
from tests.accounts.openid_connect.browser import Browser, linking
from tests.accounts.openid_connect.provider import Provider, describe_to_us, person
from tests.cast import PASSWORD, PROOF

Answer = tuple[str, int, str]
Offend = Callable[..., Answer]

NOT_OURS = {"flow": "x", "state": "x", "code": "x"}


def know_as_google(provider: Provider, settings: Settings) -> None:
    """Let the provider be the one of the schema's examples."""
    [entry] = describe_to_us(provider.issuer, title="Google").values()
    first, *_ = entry["redirect_uris"]
    settings.AUTH_OPENID_PROVIDERS = {"google": entry | {"redirect_uris": (first,)}}
    settings.AUTH_OPENID_LOOPBACK = True
    DOCUMENTS.clear()


class Visitor:
    """Alice signs in with the provider, and does what is refused."""

    def __init__(self, offend: Offend, provider: Provider, alice: User) -> None:
        self.offend, self.provider, self.alice = offend, provider, alice

    def log_in(self, changes: Any = None, **claims: Any) -> Answer:
        """Return the answer to a log-in."""
        browser = Browser(APIClient(), self.provider, user=person("alice", **claims))
        body = browser.go(browser.begin(provider="google"))
        return self.offend("complete_provider_login", body | (changes or {}))

    def link(self, *, is_verified: bool = True, changes: Any = None, **claims: Any) -> Answer:
        """Return the answer to a link."""
        User.objects.filter(pk=self.alice.pk).update(is_email_verified=True)
        browser = linking(self.alice, self.provider, **claims)
        body = browser.go(browser.begin(provider="google", password=PASSWORD))
        User.objects.filter(pk=self.alice.pk).update(is_email_verified=is_verified)
        return self.offend("complete_link", body | (changes or {}))

    def have(self, user: User, subject: str) -> Identity:
        """Give the user an identity, and nobody else one."""
        Identity.objects.all().delete()
        return Identity.objects.create(
            user=user, issuer=self.provider.issuer, subject=subject, created_at=timezone.now()
        )


def offend_by_provider(
    offend: Offend, alice: User, closed: User, settings: Settings
) -> Iterator[Answer]:
    """Do what is wrong with providers."""
    with Provider() as provider:
        know_as_google(provider, settings)
        visitor = Visitor(offend, provider, alice)
        for name in ("complete_provider_login", "complete_link"):
            yield offend(name, NOT_OURS)
        yield offend("begin_link", {"provider": "google", "password": PASSWORD})
        yield visitor.link(is_verified=False)
        yield visitor.link(changes={"code": "x"})
        yield visitor.log_in(changes={"code": "x"})
        yield visitor.log_in(email_verified=False)
        yield visitor.log_in()
        visitor.have(closed, "closed")
        yield visitor.log_in(sub="closed")
        yield visitor.link(sub="closed")
        identity = visitor.have(alice, "alice")
        yield visitor.link(sub="another")
        yield offend("unlink", {"password": PASSWORD})
        yield from _offend_in_two_steps(visitor, settings)
        yield _offend_without_password(visitor, identity)


def _offend_in_two_steps(visitor: Visitor, settings: Settings) -> Iterator[Answer]:
    rows = User.objects.filter(pk=visitor.alice.pk)
    settings.AUTH_SECOND_FACTOR_FOR_STAFF = True
    rows.update(is_admin=True)
    yield visitor.log_in(sub="alice")
    secret = begin_set_up(user_id=visitor.alice.pk, proof=PROOF).secret
    confirm_set_up(user_id=visitor.alice.pk, code=pyotp.TOTP(secret).now())
    yield visitor.log_in(sub="alice")
    remove_factors(user_id=visitor.alice.pk)
    rows.update(is_admin=False)


def _offend_without_password(visitor: Visitor, identity: Identity) -> Answer:
    rows = User.objects.filter(pk=visitor.alice.pk)
    password = rows.get().password
    rows.update(password=make_password(None))
    token = start_session(user=rows.get()).access_token
    answer = visitor.offend(
        "unlink", {}, identity_id=identity.pk, HTTP_AUTHORIZATION=f"Bearer {token}"
    )
    rows.update(password=password)
    return answer
