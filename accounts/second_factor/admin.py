"""The admin site's log-in asks for the code of users who have a second factor, or must have one."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from accounts.errors import SecondFactorRequired
from accounts.limits.rates import check_limit
from accounts.second_factor.codes import use_code
from accounts.second_factor.serializers import CODE_MAX_LENGTH
from accounts.second_factor.services import LIMIT, WRONG_CODE, has_factor, is_required
from accounts.security_log.models import Event
from accounts.security_log.recording import record

NOT_SET_UP = (
    "This account needs a second factor. Set one up by logging in to the API, as at /api/docs."
)


class LoginForm(AdminAuthenticationForm):
    """Email, password, and a code where the account has a second factor."""

    code = forms.CharField(
        label="Code",
        max_length=CODE_MAX_LENGTH,
        required=False,
        help_text="Of your authenticator app, or a recovery code; if you have a second factor.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )

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
            raise ValidationError(
                str(SecondFactorRequired.default_detail), code="second_factor_required"
            )
        assert self.request is not None  # noqa: S101  # the site always gives it
        check_limit(self.request, LIMIT, account=user.pk)
        if not use_code(user, code):
            record(Event.CODE_FAILED, user_id=user.pk)
            raise ValidationError(WRONG_CODE, code="wrong_code")


admin.site.login_form = LoginForm
admin.site.login_template = "second_factor/admin_login.html"
