"""Registering by mail: ask, and finish with the token; see Note [Registration by mail]."""

import secrets
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from accounts.errors import field_error
from accounts.mail import mailer
from accounts.mail.tokens import refuse_token
from accounts.models import User
from accounts.registrations.models import PendingRegistration
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.identifiers import (
    check_identifiers_free,
    check_username_allowed,
    save_with_free_identifiers,
)
from accounts.tokens.claims import hash_token_id

PREFIX: Final = "new-"
"""No other token that is sent by mail begins with it."""
TOKEN_BYTES: Final = 32
WRONG_PASSWORD: Final = "Enter the password of your registration."  # noqa: S105  # a message


def ask_to_register(*, email: str, password: str, **profile: Any) -> None:
    """Keep the registration, and mail its token; or tell the owner of the address.

    Raises: ValidationError on a username that another user has, or that is reserved.
    """
    username = profile.get("username")
    check_username_allowed(username)
    check_identifiers_free(User(username=username))
    user = User(email=email)
    user.set_password(password)
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    with transaction.atomic():
        PendingRegistration.objects.create(
            token_hash=hash_token_id(token),
            email=email,
            password=user.password,
            profile=profile,
            expires_at=Now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT),
        )
        task = partial(_mail, email, token)
        transaction.on_commit(lambda: mailer.MAILER.submit(task), robust=True)


def is_registration_token(token: str) -> bool:
    """Return whether it is of this kind; it may be invalid."""
    return token.startswith(PREFIX)


def finish_registration(*, token: str, password: str | None) -> None:
    """Make the account, with its address verified; see Note [Two proofs].

    Raises: ValidationError on `token`, also if the address has an account by now; on `password` if
    it isn't that of the registration.
    """
    with transaction.atomic():
        # Without a lock: of two confirmations at once, one finds the address taken.
        pending = PendingRegistration.objects.filter(
            token_hash=hash_token_id(token), expires_at__gt=Now()
        ).first()
        if pending is None:
            raise refuse_token()
        if not check_password(password or "", pending.password):
            raise field_error("password", WRONG_PASSWORD)
        user = User(
            email=pending.email,
            password=pending.password,
            is_email_verified=True,
            **pending.profile,
        )
        try:
            _save(user)
        except ValidationError as error:
            raise refuse_token() from error
        PendingRegistration.objects.filter(email=pending.email).delete()
        record(Event.ACCOUNT_CREATED, user_id=user.pk)


def sweep_registrations() -> int:
    """Delete the registrations whose time is over; return how many."""
    deleted, _ = PendingRegistration.objects.filter(expires_at__lte=Now()).delete()
    return deleted


def _save(user: User) -> None:
    # Without what another account has taken in the meantime, as long as it isn't the address.
    try:
        save_with_free_identifiers(user)
    except ValidationError as error:
        taken = error.error_dict
        if "email" in taken:
            raise
        for name in taken:
            setattr(user, name, None)
        save_with_free_identifiers(user)


def _mail(email: str, token: str) -> None:
    if User.objects.filter(email=email).exists():
        PendingRegistration.objects.filter(token_hash=hash_token_id(token)).delete()
        mailer.send_account_exists(email)
    else:
        mailer.send_token(mailer.REGISTER, email, token)
