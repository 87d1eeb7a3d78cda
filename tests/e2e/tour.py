"""A walk through every endpoint and the admin site, that remembers each secret it comes by."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import UntypedToken

from accounts.api_keys.models import ApiKey
from accounts.models import LoginSession, User
from accounts.second_factor import urls as second_factor_urls
from accounts.second_factor.models import AuthenticatorApp, RecoveryCode
from accounts.urls import urlpatterns
from tests.accounts.admin_site import ADD, LIST, page, password_page, read_form, run_action
from tests.accounts.pictures.test_avatars import picture
from tests.accounts.second_factor.security_key import DOMAIN, ORIGIN, SecurityKey
from tests.cast import NEW_PASSWORD, PASSWORD

# A moment at which nothing else happened.
LAST_LOGIN = datetime(2001, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
GROUP = "group-that-nobody-should-hear-of"
FORMS = [
    {"first_name": name.title(), "last_name": "Rolle", "username": name, "phone": f"242-555-02{n}"}
    for n, name in enumerate(("yves", "zoe"), start=10)
]


class Tour:
    """The walk: `Tour(dora).walk()`; what came up on the way is in `secrets`."""

    def __init__(self, admin: User) -> None:
        """Begin logged out."""
        self.secrets = {PASSWORD, NEW_PASSWORD, GROUP}
        self._admin = admin
        self._client = APIClient()
        self._visited = set[str]()

    def walk(self) -> None:
        """See everything."""
        for form in FORMS:
            self._live(form)
        self._administer()
        routes = [*urlpatterns, *second_factor_urls.urlpatterns]
        missed = {str(route.name) for route in routes} - self._visited
        assert not missed, f"The tour misses {missed}: add them, so that they are searched, too."

    def _call(self, method: str, path: str, *args: Any, expect: int = 200, **kwargs: Any) -> Any:
        response = getattr(self._client, method)(path, *args, **kwargs)
        assert response.status_code == expect, (path, response.content)
        self._visited.add(response.resolver_match.view_name)
        body = response.json() if response.content else {}
        if "access_token" in body:
            self._client.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}")
        in_body = [body[name] for name in ("access_token", "refresh_token") if name in body]
        for token in (*in_body, *(morsel.value for morsel in response.cookies.values())):
            if token:  # not of a cookie that is deleted
                self._note_token(token)
        # Not the app's codes: six digits are found in any long number.
        self.secrets |= {body[name] for name in ("secret", "uri", "challenge") if name in body}
        for code in body.get("recovery_codes", ()):
            self.secrets |= {code, code.replace("-", "")}
        self._note_rows()
        return body

    def _note_token(self, token: str) -> None:
        claims = UntypedToken(token).payload  # type: ignore[arg-type]  # annotated as if decoded
        # Not the session's id, which opens nothing: ended ones are in their user's record.
        self.secrets |= {token, *token.split("."), claims["jti"]}

    def _note_rows(self) -> None:
        self.secrets.update(User.objects.values_list("password", flat=True))
        self.secrets.update(LoginSession.objects.values_list("token_hash", flat=True))
        self.secrets.update(ApiKey.objects.values_list("key_hash", flat=True))
        self.secrets.update(AuthenticatorApp.objects.values_list("secret", flat=True))
        self.secrets.update(RecoveryCode.objects.values_list("code_hash", flat=True))
        self.secrets.update(Session.objects.values_list("session_key", flat=True))

    def _live(self, form: dict[str, str]) -> None:
        """Register, do all that a user can do, and close every account but the first."""
        credentials = {"email": f"{form['username']}@example.com", "password": PASSWORD}
        new_credentials = credentials | {"password": NEW_PASSWORD}
        user = self._call("post", "/auth/register", credentials | form, expect=201)["user"]
        self._call("post", "/auth/login", new_credentials, expect=401)
        first = self._call("post", "/auth/login", credentials)["refresh_token"]
        second = self._call("post", "/auth/refresh", {"refresh_token": first})["refresh_token"]
        self._call("post", "/auth/refresh", {"refresh_token": second})
        self._call("post", "/auth/refresh", {"refresh_token": first}, expect=401)
        self._call("get", "/auth/verify", expect=401)
        self._call("post", "/auth/login", credentials)
        self._look_around(user)
        self._keep_the_token_in_a_cookie(credentials)
        self._use_a_key(user)
        self._recover(credentials)
        change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        self._call("post", "/auth/change-password", change)
        self._use_second_factor(new_credentials)
        token = self._call("post", "/auth/login", new_credentials)["refresh_token"]
        self._call("post", "/auth/logout", {"refresh_token": token})
        self._call("get", "/auth/verify", expect=401)
        for path in ("/auth/sessions", "/auth/sessions/{id}"):
            self._call("post", "/auth/login", new_credentials)
            sessions = self._call("get", "/auth/sessions")["results"]
            own = next(session["id"] for session in sessions if session["is_current"])
            self._call("delete", path.format(id=own), expect=204)
        self._call("post", "/auth/login", new_credentials)
        self._look_around(user)
        if form is not FORMS[0]:
            self._call("delete", "/auth/account", {"password": PASSWORD}, expect=400)
            self._leave_and_come_back(new_credentials)
            self._call("delete", "/auth/account", {"password": NEW_PASSWORD}, expect=204)
            self._call("get", "/auth/verify", expect=401)

    def _leave_and_come_back(self, credentials: dict[str, str]) -> None:
        password = {"password": credentials["password"]}
        self._call("post", "/auth/export", password)
        self._call("delete", "/auth/account", password, expect=204)
        self._call("post", "/auth/reopen-account", {"email": credentials["email"]}, expect=202)
        token = read_token()
        self._call("post", "/auth/reopen-account/confirm", {"token": token})
        self.secrets |= {token}
        self._call("post", "/auth/login", credentials)

    def _keep_the_token_in_a_cookie(self, credentials: dict[str, str]) -> None:
        browser: dict[str, Any] = {"HTTP_X_REFRESH_COOKIE": "1"}
        self._call("post", "/auth/login", credentials, **browser)
        self._call("post", "/auth/cookie/refresh", **browser)
        self._call("post", "/auth/cookie/logout", **browser)
        self._call("post", "/auth/login", credentials)

    def _use_a_key(self, user: Any) -> None:
        body = {"name": "x", "scope": "write", "password": PASSWORD}
        made = self._call("post", "/auth/api-keys", body, expect=201)
        # Not its id, which opens nothing: it is in the user's record.
        self.secrets |= {made["key"], made["key"].removeprefix(f"hmb_{made['id']}_")}
        browser, self._client = self._client, APIClient()
        self._client.credentials(HTTP_AUTHORIZATION=f"Api-Key {made['key']}")
        self._look_around(user)
        self._call("get", "/auth/api-keys", expect=401)
        program, self._client = self._client, browser
        self._call("get", "/auth/api-keys")
        self._call("get", "/auth/events")
        self._call("delete", f"/auth/api-keys/{made['id']}", expect=204)
        self._client = program
        self._call("get", "/auth/verify", expect=401)
        self._client = browser

    def _recover(self, credentials: dict[str, str]) -> None:
        self._call("post", "/auth/verify-email", expect=202)
        self._call("post", "/auth/confirm-email", {"token": read_token()})
        new = {"new_email": f"new-{credentials['email']}", "password": PASSWORD}
        self._call("post", "/auth/change-email", new, expect=202)
        self._call("post", "/auth/reset-password", {"email": credentials["email"]}, expect=202)
        reset = {"token": read_token(), "new_password": PASSWORD}
        self._call("post", "/auth/confirm-email", {"token": reset["token"]}, expect=400)
        self._call("post", "/auth/reset-password/confirm", reset)
        self.secrets |= {reset["token"]}
        self._call("post", "/auth/login", credentials)

    def _use_second_factor(self, credentials: dict[str, str]) -> None:
        """Set it up, log in with app and recovery code, and turn it off."""
        password = {"password": credentials["password"]}
        secret = self._call("post", "/auth/second-factor/app", password)["secret"]
        totp = pyotp.TOTP(secret)
        confirmed = self._call("post", "/auth/second-factor/app/confirm", {"code": totp.now()})
        codes = confirmed["recovery_codes"]
        soon = datetime.now(UTC) + timedelta(seconds=totp.interval)
        for code in (totp.at(soon), codes.pop()):
            step = self._log_in(credentials)
            wrong = step | {"code": codes[0][:-1]}
            self._call("post", "/auth/login/second-factor", wrong, expect=401)
            self._call("post", "/auth/login/second-factor", step | {"code": code})
        self._use_passkey(credentials, codes)
        proof = password | {"code": codes.pop()}
        self._call("get", "/auth/second-factor")
        codes = self._call("post", "/auth/second-factor/recovery-codes", proof)["recovery_codes"]
        self._call("delete", "/auth/second-factor", password | {"code": codes[0]}, expect=204)

    @override_settings(AUTH_PASSKEY_ORIGINS=(ORIGIN,), AUTH_PASSKEY_DOMAIN=DOMAIN)
    def _use_passkey(self, credentials: dict[str, str], codes: list[str]) -> None:
        """Make one, log in with it, and remove it."""
        key, path = SecurityKey(), "/auth/second-factor/passkeys"
        password = {"password": credentials["password"]}
        begun = self._call("post", f"{path}/options", password | {"code": codes.pop()})
        made = {"name": "Phone", "state": begun["state"], "credential": key.make(begun["options"])}
        added = self._call("post", path, made, expect=201)
        step = self._log_in(credentials)
        options = self._call("post", "/auth/login/second-factor/passkey/options", step)["options"]
        shown = key.show(options)
        self._call("post", "/auth/login/second-factor/passkey", step | {"credential": shown})
        self.secrets |= {begun["state"], *shown["response"].values()}
        begun = self._call("post", "/auth/login/passkey/options")
        shown = key.show_alone(begun["options"])
        body = {"challenge": begun["challenge"], "credential": shown}
        self._call("post", "/auth/login/passkey", body)
        self.secrets |= {*shown["response"].values()}
        self._call("delete", f"{path}/{added['id']}", password | {"code": codes.pop()}, expect=204)

    def _log_in(self, credentials: dict[str, str]) -> dict[str, str]:
        body = self._call("post", "/auth/login", credentials, expect=401)
        return {"challenge": body["challenge"]}

    @override_settings(AUTH_SECOND_FACTOR_FOR_STAFF=True)
    def _set_up_at_login(self, browser: Client) -> None:
        """Be told to have a second factor, and have one from then on."""
        step = self._log_in({"email": self._admin.email, "password": PASSWORD})
        secret = self._call("post", "/auth/login/second-factor/app", step)["secret"]
        first = step | {"code": pyotp.TOTP(secret).now()}
        codes = self._call("post", "/auth/login/second-factor", first)["recovery_codes"]
        login = {"username": self._admin.email, "password": PASSWORD, "code": codes[0]}
        assert browser.post("/admin/login/?next=/admin/", login).status_code == 302

    def _look_around(self, user: Any) -> None:
        for _ in range(2):  # cold, then warm
            self._call("get", "/auth/verify")
            self._call("get", "/auth/profile")
            self._call("get", "/users")
            self._call("get", f"/users/{user['id']}")
            self._call("get", "/users/lookup", {"username": user["username"]})
            self._call("get", "/users/lookup", {"username": "nobody"}, expect=404)
            self._call("get", f"/users/{2**31 + user['id']}", expect=404)
        self._call("put", "/auth/profile", {"bio": f"About {user['username']}"})
        self._call("patch", "/auth/profile", {"phone": "x"}, expect=400)
        picture_form = {"file": SimpleUploadedFile("me.png", picture("PNG"))}
        self._call("post", "/auth/upload-avatar", picture_form, format="multipart")

    def _administer(self) -> None:
        """Log into the admin site and do there what can be done to a user."""
        browser = Client()
        group = Group.objects.create(name=GROUP)
        login = {"username": self._admin.email, "password": PASSWORD}
        assert browser.post("/admin/login/?next=/admin/", login).status_code == 302
        user = User.objects.get(username=FORMS[0]["username"])
        user.groups.add(group)
        User.objects.update(last_login=LAST_LOGIN)
        for path in (LIST, ADD, page(user), page(user, "history"), password_page(user)):
            assert browser.get(path).status_code == 200
        form = read_form(browser, page(user)) | {"occupation": "Diver", "groups": str(group.pk)}
        assert browser.post(page(user), form).status_code == 302
        passwords = {"password1": PASSWORD, "password2": PASSWORD}
        assert browser.post(password_page(user), passwords).status_code == 302
        self._note_rows()
        for action in ("deactivate", "activate", "revoke"):
            run_action(browser, action, user)
        self._set_up_at_login(browser)
        self._call("get", "/users/lookup", {"email": user.email})
        self._call("get", "/users/lookup", {"phone": user.phone})
        other = User.objects.get(username=FORMS[-1]["username"])
        assert browser.post(page(other, "delete"), {"post": "yes"}).status_code == 302
        self._call("get", f"/users/{other.pk}", expect=404)
        self._call("get", f"/users/{user.pk}")


def read_token(number: int = -1) -> str:
    """Return the token of a message, the last one being -1."""
    token: str = mail.outbox[number].body.split("\n\n")[1]
    return token
