"""System checks of this app's setting."""

from typing import Any, Final, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error

NO_MAIL: Final = "django.core.mail.backends.dummy.EmailBackend"


def check_mail_is_sent(**_kwargs: Any) -> list[CheckMessage]:
    """Check that registrations by mail are mailed (E001)."""
    by_mail = cast(Any, settings.AUTH_REGISTRATION_BY_MAIL)
    if by_mail is False or (by_mail is True and settings.EMAIL_BACKEND != NO_MAIL):
        return []
    return [
        Error(
            f"AUTH_REGISTRATION_BY_MAIL is {by_mail!r}, "
            f"and EMAIL_BACKEND {settings.EMAIL_BACKEND}.",
            hint="Set the first to True or False; with True also EMAIL_URL, as in "
            "smtp+tls://user:password@mail.example.com:587, or nobody can register.",
            id="registrations.E001",
        )
    ]
