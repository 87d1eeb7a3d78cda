"""The actions of users on their own account, one function and one transaction each.

`administration` has the actions on any account, `sessions` the log-in sessions.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final

from django.contrib.auth import authenticate
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.clients.devices import UNKNOWN_DEVICE, Device, get_device
from accounts.errors import InvalidCredentials
from accounts.hooks import LOGIN_STEPS
from accounts.models import User
from accounts.pictures.avatars import store_avatar
from accounts.pictures.discarded import discard_picture
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.active_users import load_active_user
from accounts.services.administration import set_password
from accounts.services.announcements import announce
from accounts.services.identifiers import (
    check_identifiers_free,
    check_username_allowed,
    save_with_free_identifiers,
)
from accounts.services.proof import Proof, check_proof
from accounts.services.recovery import ask_for_confirmation
from accounts.services.sessions import start_session
from accounts.tokens.claims import TokenPair

NO_PROOF: Final = Proof()


def register_user(
    *,
    email: str,
    password: str,
    first_name: str,
    last_name: str,
    username: str | None = None,
    phone: str | None = None,
    location: str = "",
    device: Device = UNKNOWN_DEVICE,
) -> tuple[User, TokenPair]:
    """Add a user, log them in, and ask by mail whether the email is theirs.

    Raises: ValidationError on an identifier that another user has, or that is reserved.
    """
    user = User(
        email=email,
        first_name=first_name,
        last_name=last_name,
        username=username,
        phone=phone,
        location=location,
    )
    check_username_allowed(username)
    # Before the costly hash, and before the lock that SQLite takes for a transaction.
    check_identifiers_free(user)
    user.set_password(password)
    with transaction.atomic():
        save_with_free_identifiers(user)
        record(Event.ACCOUNT_CREATED, user_id=user.pk)
        transaction.on_commit(partial(ask_for_confirmation, user_id=user.pk), robust=True)
        return user, start_session(user=user, device=device)


def log_in(*, request: HttpRequest, email: str, password: str) -> tuple[User, TokenPair]:
    """Check the password against the database and start a session.

    Raises: InvalidCredentials, after the same work, for a wrong password, an unknown and an
    inactive user; and what LOGIN_STEPS raise.
    """
    found = authenticate(request, username=email, password=password)
    if not isinstance(found, User):
        raise InvalidCredentials
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=found.pk).first()
        # The row may have changed since the password was checked; an old password must not get a
        # token of the new token_version.
        if user is None or not user.is_active or user.token_version != found.token_version:
            raise InvalidCredentials
        return user, admit_after_steps(user=user, device=get_device(request))


def admit_after_steps(*, user: User, device: Device) -> TokenPair:
    """Start a session of a user who has shown the first thing that a log-in asks for.

    `user` is locked. Raises: what LOGIN_STEPS raise.
    """
    for step in LOGIN_STEPS.values():
        step(user)
    return admit(user=user, device=device)


def admit(*, user: User, device: Device) -> TokenPair:
    """Start a session of a user who has shown all that a log-in asks for; `user` is locked."""
    user.last_login = timezone.now()
    user.save(update_fields=["last_login"])
    return start_session(user=user, device=device)


def update_profile(
    *, user_id: int, changes: Mapping[str, str | None], proof: Proof = NO_PROOF
) -> User:
    """Change what is given and return the row; another phone takes a proof, and a mail tells of it.

    Raises:
        ValidationError: on an identifier that another user has, or that is reserved.
        AccountGone: they were deactivated.
        What `check_proof()` does, for another phone.
    """
    with transaction.atomic():
        user = load_active_user(user_id)
        changed = [name for name, value in changes.items() if getattr(user, name) != value]
        if "phone" in changed:
            check_proof(user, proof)
            announce(Event.PHONE_CHANGED, user)
        for name in changed:
            setattr(user, name, changes[name])
        if "username" in changed:
            check_username_allowed(user.username)
        if changed:
            save_with_free_identifiers(user, update_fields=[*changed, "updated_at"])
        return user


def set_avatar(*, user_id: int, content: bytes) -> User:
    """Store a prepared picture in place of the old one; delete its file after the commit.

    Raises: AccountGone.
    """
    with ExitStack() as undo:
        name = store_avatar(content)
        undo.callback(default_storage.delete, name)
        with transaction.atomic():
            user = load_active_user(user_id)
            discard_picture(user)
            user.avatar_url = default_storage.url(name)
            user.save(update_fields=["avatar_url", "updated_at"])
        undo.pop_all()
    return user


def change_password(
    *,
    user_id: int,
    new_password: str,
    proof: Proof,
    device: Device = UNKNOWN_DEVICE,
) -> TokenPair:
    """Set a new password, end every token made before, and log in again.

    Raises: what `check_proof()` does, on `current_password`; AccountGone.
    """
    with transaction.atomic():
        user = load_active_user(user_id)
        check_proof(user, proof, field="current_password")
        user = set_password(user_id=user_id, new_password=new_password)
        return start_session(user=user, device=device)
