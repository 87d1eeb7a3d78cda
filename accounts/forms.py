"""The admin site's forms for users."""

from typing import Any

from django import forms
from django.contrib.auth import forms as auth_forms
from django.core.exceptions import ValidationError

from accounts.administration import set_password
from accounts.models import User

CHANGED_MEANWHILE = (
    "This user was changed after you had opened this page. Nothing was saved: "
    "load the page again, look at what is there now, and make your change again."
)


class UserCreationForm(auth_forms.BaseUserCreationForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Add a user, with a password."""

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name", "username", "phone")


class UserChangeForm(auth_forms.UserChangeForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Change a user, unless another admin changed them in the meantime.

    Otherwise a page opened before a deactivation, and sent after it, would undo it.
    """

    loaded_version = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = User
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Note which state of the row the page shows."""
        super().__init__(*args, **kwargs)
        self.initial["loaded_version"] = self._version

    def clean(self) -> dict[str, Any]:
        """Compare that with the row as it is now.

        Raises: ValidationError if it is another.
        """
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("loaded_version") not in ("", self._version):
            raise ValidationError(CHANGED_MEANWHILE, code="changed_meanwhile")
        return cleaned

    @property
    def _version(self) -> str:
        user: User = self.instance
        return user.updated_at.isoformat()


class PasswordForm(auth_forms.AdminPasswordChangeForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Set a user's password, which ends all their sessions and tokens."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Leave out the choice to have no password: deactivate the user instead."""
        super().__init__(*args, **kwargs)
        self.fields.pop("usable_password", None)
        self.fields["password1"].required = self.fields["password2"].required = True

    def save(self, commit: bool = True) -> User:
        """Set it through the service."""
        user = set_password(user_id=self.user.pk, new_password=self.cleaned_data["password1"])
        # Django's view renews the admin's own session from this, if it is their own password.
        self.user = user
        return user
