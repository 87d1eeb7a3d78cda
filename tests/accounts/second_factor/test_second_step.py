"""Logging in with a second factor, and attacks on it."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.core.signing import TimestampSigner, b62_encode
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.mail.tokens import make_reset_token
from accounts.models import LoginSession, User
from accounts.second_factor.codes import use_code
from accounts.second_factor.errors import ChallengeNotValid, WrongCode
from accounts.second_factor.models import AuthenticatorApp, RecoveryCode
from accounts.second_factor.services import Login, begin_set_up, finish_login, remove_factors
from accounts.services.administration import deactivate_user, revoke_tokens, set_password
from accounts.services.recovery import reset_password
from tests.accounts.second_factor.phone import Phone, ask_for_challenge, finish, set_up_phone
from tests.cast import NEW_PASSWORD, PASSWORD, PROOF
from tests.clocks import Clock
from tests.concurrency import run_together

pytestmark = pytest.mark.django_db(transaction=True)

FIVE_MINUTES = 300
FULL_WIDTH = ord("\uff10") - ord("0")


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def test_password_and_code(anybody: APIClient, alice: User, phone: Phone) -> None:
    """Give the usual pair, and no session starts before both were shown."""
    challenge = ask_for_challenge(anybody, alice)
    assert not LoginSession.objects.exists()
    alice.refresh_from_db()
    assert alice.last_login is None
    response = finish(anybody, challenge, phone.next_code())
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"access_token", "refresh_token", "token_type", "user"}
    assert body["user"]["id"] == alice.pk
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}")
    assert anybody.get("/auth/verify").status_code == 200
    assert len(anybody.get("/auth/sessions").json()["results"]) == 1
    alice.refresh_from_db()
    assert alice.last_login is not None


@pytest.mark.parametrize("write", ["{} {}", "{}-{}", " {}{} "])
def test_spaces_and_hyphens_do_not_count(
    anybody: APIClient, alice: User, phone: Phone, write: str
) -> None:
    """As apps show codes."""
    code = phone.next_code()
    challenge = ask_for_challenge(anybody, alice)
    assert finish(anybody, challenge, write.format(code[:3], code[3:])).status_code == 200


@pytest.mark.parametrize(
    ("ahead", "is_good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_clocks_may_differ_by_one_step(
    anybody: APIClient, alice: User, phone: Phone, ahead: int, is_good: bool
) -> None:
    """Thirty seconds before or behind, and no more."""
    phone.clock.now += 10
    response = finish(anybody, ask_for_challenge(anybody, alice), phone.code(ahead))
    assert (response.status_code == 200) is is_good


def test_code_works_once(anybody: APIClient, alice: User, phone: Phone) -> None:
    """Nor does one from before it, which somebody may have seen; nor the one of the set-up."""
    replayed = phone.code()
    assert code_of(finish(anybody, ask_for_challenge(anybody, alice), replayed)) == (
        401,
        "wrong_code",
    )
    phone.clock.now += 2
    code, earlier = phone.code(), phone.code(-1)
    assert finish(anybody, ask_for_challenge(anybody, alice), code).status_code == 200
    for used in (code, earlier):
        challenge = ask_for_challenge(anybody, alice)
        assert code_of(finish(anybody, challenge, used)) == (401, "wrong_code")
    assert finish(anybody, ask_for_challenge(anybody, alice), phone.next_code()).status_code == 200


def test_eight_uses_of_a_code_at_once_are_one(alice: User, phone: Phone) -> None:
    """Whatever locks the caller takes: the row itself says whether a code is unused."""
    code = phone.next_code()
    results = run_together([partial(use_code, alice, code)] * 8)
    assert sorted(map(str, results)) == ["False"] * 7 + ["True"]


def test_eight_log_ins_at_once_are_one(anybody: APIClient, alice: User, phone: Phone) -> None:
    """One challenge and good codes of different steps: the challenge is used up by the first."""
    challenge = ask_for_challenge(anybody, alice)
    phone.clock.now += 2
    codes = [phone.code(ahead) for ahead in (-1, 0, 1)]
    calls = [partial(finish_login, challenge=challenge, code=code) for code in codes]
    results = run_together(calls)
    assert sum(isinstance(result, Login) for result in results) == 1
    assert sum(isinstance(result, ChallengeNotValid) for result in results) == 2
    assert LoginSession.objects.count() == 1


def test_recovery_code(anybody: APIClient, alice: User, phone: Phone) -> None:
    """Stands in for the app, once, in any spelling; the user is told."""
    code = phone.recovery_codes[3]
    challenge = ask_for_challenge(anybody, alice)
    assert finish(anybody, challenge, code.lower().replace("-", " ")).status_code == 200
    assert mail.outbox[-1].subject == "A recovery code of your account was used"
    challenge = ask_for_challenge(anybody, alice)
    assert code_of(finish(anybody, challenge, code)) == (401, "wrong_code")
    assert RecoveryCode.objects.filter(used_at__isnull=True).count() == 9


def test_eight_uses_of_a_recovery_code_at_once_are_one(alice: User, phone: Phone) -> None:
    """As of the app's."""
    results = run_together([partial(use_code, alice, phone.recovery_codes[0])] * 8)
    assert sorted(map(str, results)) == ["False"] * 7 + ["True"]


def test_codes_of_another_user(
    anybody: APIClient, alice: User, bob: User, phone: Phone, clock: Clock
) -> None:
    """Open nothing: neither the app's nor those for recovery."""
    other = set_up_phone(bob, clock)
    challenge = ask_for_challenge(anybody, alice)
    for code in (other.next_code(), *other.recovery_codes):
        assert code_of(finish(anybody, challenge, code)) == (401, "wrong_code")
    assert not LoginSession.objects.exists()


def test_challenge_of_another_user(
    anybody: APIClient, alice: User, bob: User, phone: Phone, clock: Clock
) -> None:
    """Logs nobody in by one's own code."""
    set_up_phone(bob, clock)
    challenge = ask_for_challenge(anybody, bob)
    assert code_of(finish(anybody, challenge, phone.next_code())) == (401, "wrong_code")
    assert not LoginSession.objects.exists()


def test_challenge_expires(
    anybody: APIClient, alice: User, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After five minutes."""
    then = b62_encode(int(time.time()) - FIVE_MINUTES - 1)
    with monkeypatch.context() as patch:
        patch.setattr(TimestampSigner, "timestamp", lambda _signer: then)
        challenge = ask_for_challenge(anybody, alice)
    assert code_of(finish(anybody, challenge, phone.next_code())) == (401, "challenge_not_valid")


def test_forged_challenges(
    anybody: APIClient, alice: User, bob: User, phone: Phone, clock: Clock
) -> None:
    """Cut, mixed, made up, or signed by us for something else."""
    set_up_phone(bob, clock)
    challenge, other = (ask_for_challenge(anybody, user) for user in (alice, bob))
    payload, made, signature = challenge.split(":")
    forged = [
        *("x", "::", "a:b:c", "." * 512, "é:é:é"),
        challenge[:-1],
        f"{other.split(':')[0]}:{made}:{signature}",
        f"{payload}:zzzzzz:{signature}",
        f".{challenge}",
        make_reset_token(alice),
        TimestampSigner(salt="another").sign(payload),
    ]
    for text in forged:
        for path in ("", "/app"):
            body = {"challenge": text} | ({} if path else {"code": phone.next_code()})
            response = anybody.post(f"/auth/login/second-factor{path}", body)
            assert code_of(response) == (401, "challenge_not_valid"), text


def test_challenge_works_once(anybody: APIClient, alice: User, phone: Phone) -> None:
    """A second log-in asks for the password again."""
    challenge = ask_for_challenge(anybody, alice)
    assert finish(anybody, challenge, phone.next_code()).status_code == 200
    assert code_of(finish(anybody, challenge, phone.next_code())) == (401, "challenge_not_valid")


@pytest.mark.parametrize(
    "act",
    [
        lambda user: deactivate_user(user_id=user.pk),
        lambda user: revoke_tokens(user_id=user.pk),
        lambda user: set_password(user_id=user.pk, new_password=NEW_PASSWORD),
        lambda user: user.delete(),
        lambda user: remove_factors(user_id=user.pk),
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
    ],
    ids=["closed", "logged out", "new password", "deleted", "factor removed", "closed by SQL"],
)
def test_what_ends_a_challenge(
    anybody: APIClient, alice: User, phone: Phone, act: Callable[[User], object]
) -> None:
    """What happens to the account between the steps counts."""
    challenge = ask_for_challenge(anybody, alice)
    act(alice)
    assert code_of(finish(anybody, challenge, phone.next_code())) == (401, "challenge_not_valid")
    assert not LoginSession.objects.exists()


def test_wrong_code_leaves_the_challenge(anybody: APIClient, alice: User, phone: Phone) -> None:
    """One may mistype."""
    challenge = ask_for_challenge(anybody, alice)
    for wrong in (
        "0",
        "x",
        "0" * 32,
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "AAAA-AAAA-AAAA-AAAA",
        phone.code(-5),
    ):
        assert code_of(finish(anybody, challenge, wrong)) == (401, "wrong_code")
    assert finish(anybody, challenge, phone.next_code()).status_code == 200


def test_wrong_password_tells_nothing_of_the_factor(
    anybody: APIClient, alice: User, bob: User, phone: Phone
) -> None:
    """The same answer, with a factor and without."""
    answers = {
        anybody.post("/auth/login", {"email": user.email, "password": "wrong"}).content
        for user in (alice, bob)
    }
    assert len(answers) == 1
    assert b"invalid_credentials" in answers.pop()


def test_guesses_are_limited(
    anybody: APIClient, alice: User, phone: Phone, settings: Settings
) -> None:
    """By account, from whatever address and with new challenges; a good code doesn't pass either.

    With the limits as they are shipped, it takes two years on average to guess one.
    """
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"factor": {"account": (3, 3600)}}
    challenges = [ask_for_challenge(anybody, alice) for _ in range(4)]
    for number, challenge in enumerate(challenges[:3]):
        body = {"challenge": challenge, "code": "0"}
        address = f"198.51.100.{number}"
        response = anybody.post("/auth/login/second-factor", body, REMOTE_ADDR=address)
        assert code_of(response) == (401, "wrong_code")
    response = finish(anybody, challenges[3], phone.next_code())
    assert code_of(response) == (429, "too_many_attempts")
    assert 0 < int(response.headers["Retry-After"]) <= 1200
    response = anybody.post("/auth/login/second-factor/app", {"challenge": challenges[3]})
    assert response.status_code == 429


def test_owner_is_not_locked_out_from_one_address(
    anybody: APIClient, alice: User, phone: Phone, settings: Settings
) -> None:
    """By somebody who has the password: their guesses leave some to the owner's address."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {
        "factor": {"pair": (2, 3600), "account": (4, 3600)}
    }
    body = {"challenge": ask_for_challenge(anybody, alice), "code": "0"}
    path = "/auth/login/second-factor"
    codes = [anybody.post(path, body, REMOTE_ADDR="198.51.100.1").status_code for _ in range(9)]
    assert codes == [401] * 2 + [429] * 7
    assert finish(anybody, body["challenge"], phone.next_code()).status_code == 200


def test_guesses_at_challenges_are_limited(anybody: APIClient, settings: Settings) -> None:
    """By address."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"factor": {"address": (2, 3600)}}
    codes = [finish(anybody, "a:b:c", "0").status_code for _ in range(3)]
    assert codes == [401, 401, 429]


def test_reset_of_the_password_keeps_the_factor(
    anybody: APIClient, alice: User, phone: Phone
) -> None:
    """Somebody who reads the mail still needs the phone."""
    reset_password(token=make_reset_token(alice), new_password=NEW_PASSWORD)
    body = {"email": alice.email, "password": NEW_PASSWORD}
    assert code_of(anybody.post("/auth/login", body)) == (401, "second_factor_required")


def test_row_copied_from_another_user(
    anybody: APIClient, alice: User, bob: User, phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    """A secret that was written to the table by other means is worth nothing."""
    other = set_up_phone(bob, phone.clock)
    stolen = AuthenticatorApp.objects.get(pk=bob.pk).secret
    AuthenticatorApp.objects.filter(pk=alice.pk).update(secret=stolen)
    challenge = ask_for_challenge(anybody, alice)
    assert code_of(finish(anybody, challenge, other.next_code())) == (401, "wrong_code")
    assert f"authenticator app of user {alice.pk} can't be read" in caplog.text


def test_required_of_staff(
    anybody: APIClient, dora: User, clock: Clock, settings: Settings
) -> None:
    """Without one they set it up on the way, and are logged in by its first code."""
    settings.AUTH_SECOND_FACTOR_FOR_STAFF = True
    body = {"email": dora.email, "password": PASSWORD}
    refused = anybody.post("/auth/login", body)
    assert code_of(refused) == (401, "second_factor_set_up_required")
    challenge = refused.json()["challenge"]
    assert code_of(finish(anybody, challenge, "123456")) == (409, "second_factor_off")
    set_up = anybody.post("/auth/login/second-factor/app", {"challenge": challenge}).json()
    phone = Phone(set_up["secret"], clock)
    assert code_of(finish(anybody, challenge, phone.code(5))) == (401, "wrong_code")
    done = finish(anybody, challenge, phone.code()).json()
    assert len(done["recovery_codes"]) == 10
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {done['access_token']}")
    assert anybody.get("/auth/second-factor").json()["is_required"] is True
    assert code_of(finish(anybody, challenge, phone.next_code())) == (401, "challenge_not_valid")
    assert code_of(anybody.post("/auth/login", body)) == (401, "second_factor_required")


def test_required_of_nobody_else(anybody: APIClient, alice: User, settings: Settings) -> None:
    """Users who look for work may do without."""
    settings.AUTH_SECOND_FACTOR_FOR_STAFF = True
    body = {"email": alice.email, "password": PASSWORD}
    assert anybody.post("/auth/login", body).status_code == 200


def test_challenge_replaces_no_app(anybody: APIClient, alice: User, phone: Phone) -> None:
    """With the password alone nobody puts their own app in its place."""
    challenge = ask_for_challenge(anybody, alice)
    response = anybody.post("/auth/login/second-factor/app", {"challenge": challenge})
    assert code_of(response) == (409, "second_factor_on")


def test_begun_set_up_asks_for_nothing(anybody: APIClient, alice: User) -> None:
    """A user who breaks it off isn't locked out."""
    begin_set_up(user_id=alice.pk, proof=PROOF)
    body = {"email": alice.email, "password": PASSWORD}
    assert anybody.post("/auth/login", body).status_code == 200


def test_wrong_codes_raise_the_same(alice: User, phone: Phone, anybody: APIClient) -> None:
    """A recovery code that never was and an app's that is over aren't told apart."""
    challenge = ask_for_challenge(anybody, alice)
    for code in ("AAAA-AAAA-AAAA-AAAA", "000000" if phone.code() != "000000" else "000001"):
        with pytest.raises(WrongCode):
            finish_login(challenge=challenge, code=code)
