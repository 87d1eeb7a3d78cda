"""Passkeys in Chromium, with an authenticator of its own (WebAuthn over the DevTools protocol)."""

from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Page, expect

from accounts.models import User
from accounts.second_factor.models import Passkey
from accounts.second_factor.services import begin_set_up, confirm_set_up
from tests.cast import PASSWORD, PROOF, token_of
from tests.e2e.production_server import ProductionServer
from tests.servers.server import HOST

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.django_db(transaction=True)]

DOMAIN = "localhost"
"""An address is no domain, and other names need HTTPS."""
CALL = """async ([path, body, token]) => {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  return [response.status, await response.json()];
}"""
MAKE = """async options => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await navigator.credentials.create({ publicKey })).toJSON();
}"""
PASSKEYS = "/auth/second-factor/passkeys"
SHOW = """async options => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await navigator.credentials.get({ publicKey })).toJSON();
}"""


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the product where pages have passkeys: on localhost, and not on an address."""
    server = ProductionServer(tmp_path_factory.mktemp("passkeys"))
    url = f"http://{DOMAIN}:{server.port}"
    server.variables |= {
        "ALLOWED_HOSTS": f"{DOMAIN},{HOST}",
        "AUTH_PASSKEY_DOMAIN": DOMAIN,
        "AUTH_PASSKEY_ORIGINS": url,
    }
    with server:
        yield url


class Person:
    """Dora at a page of the site, with an authenticator in her computer."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self.hear)
        self.tools: CDPSession = page.context.new_cdp_session(page)
        self.tools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = self.tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.authenticator: str = added["authenticatorId"]

    def hear(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def call(self, path: str, body: Any, token: str = "") -> Any:
        status, answer = self.page.evaluate(CALL, [path, body, token])
        assert status in (200, 201), answer
        return answer

    def verify(self, *, succeeds: bool) -> None:
        """Let the authenticator know her from now on, or not."""
        self.tools.send(
            "WebAuthn.setUserVerified",
            {"authenticatorId": self.authenticator, "isUserVerified": succeeds},
        )

    def add_passkey(self, user: User) -> None:
        """Set the second factor up, and make a passkey in the page that is open."""
        secret = begin_set_up(user_id=user.pk, proof=PROOF).secret
        codes = confirm_set_up(user_id=user.pk, code=pyotp.TOTP(secret).now())
        proof = {"password": PASSWORD, "code": codes[0]}
        begun = self.call(f"{PASSKEYS}/options", proof, token_of(user))
        made = self.page.evaluate(MAKE, begun["options"])
        body = {"name": "Computer", "state": begun["state"], "credential": made}
        self.call(PASSKEYS, body, token_of(user))


@pytest.fixture
def person(chromium: Browser, site: str, dora: User) -> Iterator[Person]:
    """Dora, with a passkey, at the root."""
    context = chromium.new_context(base_url=site)
    person = Person(context.new_page())
    person.page.goto("/")
    person.add_passkey(dora)
    yield person
    context.close()


def test_api_without_a_password(person: Person, dora: User) -> None:
    """A page begins without a name, the browser finds the passkey, and the tokens are hers."""
    begun = person.call("/auth/login/passkey/options", {})
    shown = person.page.evaluate(SHOW, begun["options"])
    body = {"challenge": begun["challenge"], "credential": shown}
    assert person.call("/auth/login/passkey", body)["user"]["id"] == dora.pk
    assert Passkey.objects.get().last_used_at is not None
    assert person.complaints == []


def test_admin_site_by_passkey_alone(person: Person) -> None:
    """One click, under the site's own policy; unless the authenticator doesn't know her."""
    person.page.goto("/admin/")
    button = person.page.get_by_role("button", name="Use a passkey")
    person.verify(succeeds=False)
    button.click()
    expect(person.page.get_by_role("alert")).to_contain_text("No passkey was shown")
    found = Axe().run(person.page)
    assert found.violations_count == 0, found.generate_report()
    person.verify(succeeds=True)
    button.click()
    expect(person.page.get_by_text("Site administration")).to_be_visible()
    assert person.complaints == []


def test_admin_site_after_the_password(person: Person, dora: User) -> None:
    """In place of the code; the password isn't typed again."""
    person.page.goto("/admin/")
    person.page.get_by_label("Email:").fill(dora.email)
    person.page.get_by_label("Password:").fill(PASSWORD)
    person.page.get_by_role("button", name="Log in").click()
    expect(person.page.get_by_text("Enter a code of your authenticator app")).to_be_visible()
    person.page.get_by_role("button", name="Use a passkey").click()
    expect(person.page.get_by_text("Site administration")).to_be_visible()
    assert person.complaints == []


def test_without_scripts_there_is_no_button(chromium: Browser, site: str) -> None:
    """It would do nothing."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/admin/")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
    context.close()
