"""The admin site's log-in: a password and a code, or a passkey; see Note [Second factor].

A passkey that has verified its user is enough alone. Where the password was right and a code is
missing, the page asks for a passkey of this user, which need not have: that is the second step of a
log-in, as the API has it.
"""

import json
from typing import Any, Final, NamedTuple

from django import forms
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.models import update_last_login
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.errors import SecondFactorRequired
from accounts.limits.rates import check_limit
from accounts.models import User
from accounts.second_factor import passwordless
from accounts.second_factor.challenges import Challenge, read_challenge
from accounts.second_factor.codes import use_code
from accounts.second_factor.errors import ChallengeNotValid, WrongPasskey
from accounts.second_factor.passkeys import BadCredentialError, parse_authentication
from accounts.second_factor.serializers import CHALLENGE_MAX_LENGTH, CODE_MAX_LENGTH
from accounts.second_factor.services import (
    LIMIT,
    WRONG_CODE,
    begin_step,
    has_factor,
    identify_in_step,
    is_required,
)
from accounts.security_log.models import Event
from accounts.security_log.recording import record

NOT_SET_UP = (
    "This account needs a second factor. Set one up by logging in to the API, as at /api/docs."
)
PASSKEY_MAX_LENGTH: Final = 32_768
"""Of a browser's answer: several times as long as the longest signature makes it."""


class Begun(NamedTuple):
    """What the page's script gives to the browser, in JSON, and what comes back with its answer."""

    options: str
    challenge: str


class LoginForm(AdminAuthenticationForm):
    """Email, password, and a code where the account has a second factor; or a passkey."""

    code = forms.CharField(
        label="Code",
        max_length=CODE_MAX_LENGTH,
        required=False,
        help_text="Of your authenticator app, or a recovery code; if you have a second factor.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )
    passkey = forms.CharField(
        max_length=PASSKEY_MAX_LENGTH, required=False, widget=forms.HiddenInput
    )
    challenge = forms.CharField(
        max_length=CHALLENGE_MAX_LENGTH, required=False, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ask for nothing else where a passkey was sent."""
        super().__init__(*args, **kwargs)
        self._asked: User | None = None
        if self.data.get("passkey"):
            self.fields["username"].required = self.fields["password"].required = False

    def begin_passkey(self) -> Begun:
        """Return what the page needs to ask for a passkey: of the user whose password was right."""
        user = self._asked
        has_passkey = user is not None and passwordless.can_log_in(user)
        options, challenge = begin_step(user) if user and has_passkey else passwordless.begin()
        return Begun(json.dumps(options), challenge)

    def clean(self) -> dict[str, Any]:
        """Take a passkey in place of all that may be typed.

        Raises: ValidationError.
        """
        answer = self.cleaned_data.get("passkey")
        if not answer:
            return super().clean()
        self.user_cache = self._identify(self.cleaned_data.get("challenge", ""), answer)
        return self.cleaned_data

    def confirm_login_allowed(self, user: Any) -> None:
        """Use up the code of a user whose password was right.

        Raises: ValidationError; TooManyAttempts.
        """
        super().confirm_login_allowed(user)
        if not has_factor(user):
            if is_required(user):
                raise ValidationError(NOT_SET_UP, code="second_factor_set_up_required")
            return
        code = self.cleaned_data.get("code")
        if not code:
            self._asked = user
            raise ValidationError(
                str(SecondFactorRequired.default_detail), code="second_factor_required"
            )
        assert self.request is not None  # noqa: S101  # the site always gives it
        check_limit(self.request, LIMIT, account=user.pk)
        if not use_code(user, code):
            record(Event.CODE_FAILED, user_id=user.pk)
            raise ValidationError(WRONG_CODE, code="wrong_code")

    def _identify(self, challenge: str, answer: str) -> User:
        try:
            credential = parse_authentication(json.loads(answer))
        except (ValueError, RecursionError, BadCredentialError) as error:
            raise _refuse(WrongPasskey) from error
        try:
            claims: Challenge | None = read_challenge(challenge)
        except ChallengeNotValid:
            claims = None  # then it is of a log-in by a passkey alone, or nobody's
        try:
            with transaction.atomic():
                if claims is None:
                    user = passwordless.identify(challenge, credential)
                else:
                    user = identify_in_step(claims, challenge, credential)
                if user is not None:
                    # Django's own part: no code is asked for.
                    super().confirm_login_allowed(user)
                    # As Django does later: it ends the challenge while the row is locked.
                    update_last_login(User, user)
                    return user
        except ChallengeNotValid as error:
            raise _refuse(ChallengeNotValid) from error
        if claims is None:
            passwordless.record_failure(credential)
        else:
            record(Event.CODE_FAILED, user_id=claims.user_id)
        raise _refuse(WrongPasskey)


def _refuse(error: type[ChallengeNotValid] | type[WrongPasskey]) -> ValidationError:
    return ValidationError(str(error.default_detail), code=error.default_code)


admin.site.login_form = LoginForm
admin.site.login_template = "second_factor/admin_login.html"
