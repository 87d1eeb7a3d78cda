"""The actions on identities, one function and at most one transaction each.

The provider is asked before the transaction: no row is locked while we wait for others.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.clients.devices import UNKNOWN_DEVICE, Device
from accounts.errors import AccountGone
from accounts.models import User
from accounts.openid_connect.documents import DOCUMENTS
from accounts.openid_connect.errors import (
    AccountExists,
    EmailNotVerified,
    FlowNotValid,
    IdentityTaken,
    LastWayIn,
    OwnEmailNotVerified,
    ProviderLinked,
)
from accounts.openid_connect.flows import LOGIN, make_flow, read_flow, sign_flow, use_up
from accounts.openid_connect.id_tokens import Claims
from accounts.openid_connect.models import Identity
from accounts.openid_connect.protocol import make_authorization_url, redeem_code
from accounts.openid_connect.providers import Provider, find_provider, list_providers
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.account import admit_after_steps
from accounts.services.active_users import load_active_user
from accounts.services.announcements import announce
from accounts.services.identifiers import save_with_free_identifiers
from accounts.services.proof import Proof, check_proof
from accounts.tokens.claims import TokenPair


class Begun(NamedTuple):
    """Where the browser goes, and what its client keeps."""

    authorization_url: str
    flow: str


class Names(NamedTuple):
    """What a new user is called where the provider doesn't say it."""

    first_name: str = ""
    last_name: str = ""


NO_NAMES: Final = Names()


def begin(provider: Provider, redirect_uri: str, *, user_id: int = LOGIN) -> Begun:
    """Begin a log-in or, for a user who has proved themselves just now, a link.

    Raises: ProviderUnavailable.
    """
    flow = make_flow(provider.name, redirect_uri, user_id=user_id)
    return Begun(make_authorization_url(provider, flow), sign_flow(flow))


def complete_login(
    *,
    flow: str,
    state: str,
    code: str,
    names: Names = NO_NAMES,
    device: Device = UNKNOWN_DEVICE,
    before_registration: Callable[[], None] = lambda: None,
) -> tuple[User, TokenPair]:
    """Start a session of the account that has the identity, or of a new account.

    Raises: FlowNotValid, ProviderRefused, ProviderUnavailable; AccountGone; EmailNotVerified,
    AccountExists; what `before_registration` raises, and LOGIN_STEPS.
    """
    provider, claims = _ask_provider(flow, state, code, LOGIN)
    identity = _find(provider, claims)
    if identity is None:
        before_registration()
        try:
            return _register(provider, claims, names, device)
        except AccountExists:
            # Or the same user's other request was first.
            identity = _find(provider, claims)
            if identity is None:
                raise
    try:
        return _log_in(identity, device)
    except AccountGone:
        # After the transaction, which is rolled back.
        record(Event.LOGIN_FAILED, user_id=identity.user_id, about=provider.name)
        raise


def complete_link(*, user_id: int, flow: str, state: str, code: str) -> Identity:
    """Add the identity to the user's account, and tell them by mail.

    Raises: FlowNotValid, ProviderRefused, ProviderUnavailable; OwnEmailNotVerified, ProviderLinked,
    IdentityTaken, AccountGone.
    """
    provider, claims = _ask_provider(flow, state, code, user_id)
    with transaction.atomic():
        user = load_active_user(user_id)
        check_may_link(user)
        if Identity.objects.filter(user=user, issuer=provider.issuer).exists():
            raise ProviderLinked
        try:
            with transaction.atomic():
                identity = _add(user, provider, claims)
        except IntegrityError as error:
            raise IdentityTaken from error
        announce(Event.IDENTITY_LINKED, user, about=provider.issuer)
        return identity


def check_may_link(user: User) -> None:
    """Check that the account is its user's own; see Note [OpenID Connect].

    Raises: OwnEmailNotVerified.
    """
    if not user.is_email_verified:
        raise OwnEmailNotVerified


def list_identities(*, user_id: int) -> QuerySet[Identity]:
    """Return the user's identities, the last added first: one of each issuer at most."""
    return Identity.objects.filter(user_id=user_id).order_by("-created_at", "pk")


def list_identities_of(user: User) -> QuerySet[Identity]:
    """Do the same, for the export."""
    return list_identities(user_id=user.pk)


def unlink(
    *,
    user_id: int,
    identity_id: int,
    proof: Proof,
) -> bool:
    """Remove one of the user's identities, and tell them; return whether there was such one.

    Raises: what `check_proof()` does; LastWayIn, AccountGone.
    """
    with transaction.atomic():
        user = load_active_user(user_id)
        check_proof(user, proof)
        identity = Identity.objects.filter(user=user, pk=identity_id).first()
        if identity is None:
            return False
        if not user.has_usable_password() and not has_identity(user, besides=identity):
            raise LastWayIn
        remove(identity)
        return True


def remove(identity: Identity) -> None:
    """Remove an identity, whatever is left, and tell its user."""
    with transaction.atomic():
        identity.delete()
        announce(Event.IDENTITY_UNLINKED, identity.user, about=identity.issuer)


def has_identity(user: User, *, besides: Identity | None = None) -> bool:
    """Return whether the user can log in by a provider that there still is."""
    issuers = [provider.issuer for provider in list_providers()]
    identities = Identity.objects.filter(user=user, issuer__in=issuers)
    if besides is not None:
        identities = identities.exclude(pk=besides.pk)
    return identities.exists()


def _ask_provider(text: str, state: str, code: str, user_id: int) -> tuple[Provider, Claims]:
    flow = read_flow(text, state=state, user_id=user_id)
    provider = find_provider(flow.provider)
    if provider is None:
        raise FlowNotValid
    DOCUMENTS.check_answers(provider)  # while it doesn't, the flow stays good
    use_up(flow)
    return provider, redeem_code(provider, flow, code)


def _find(provider: Provider, claims: Claims) -> Identity | None:
    return Identity.objects.filter(issuer=provider.issuer, subject=claims.subject).first()


def _log_in(identity: Identity, device: Device) -> tuple[User, TokenPair]:
    with transaction.atomic():
        user = load_active_user(identity.user_id)
        # With the user locked: it may have been unlinked in the meantime.
        if not Identity.objects.filter(pk=identity.pk).update(last_used_at=Now()):
            raise AccountGone
        return user, admit_after_steps(user=user, device=device)


def _register(
    provider: Provider, claims: Claims, names: Names, device: Device
) -> tuple[User, TokenPair]:
    if claims.email is None:
        raise EmailNotVerified
    user = User(
        email=claims.email,
        first_name=claims.first_name or names.first_name,
        last_name=claims.last_name or names.last_name,
        is_email_verified=True,
    )
    user.set_unusable_password()
    with transaction.atomic():
        try:
            save_with_free_identifiers(user)
            with transaction.atomic():
                _add(user, provider, claims)
                record(Event.IDENTITY_LINKED, user_id=user.pk, about=provider.issuer)
        except (ValidationError, IntegrityError) as error:
            raise AccountExists from error
        record(Event.ACCOUNT_CREATED, user_id=user.pk, about=provider.name)
        return user, admit_after_steps(user=user, device=device)


def _add(user: User, provider: Provider, claims: Claims) -> Identity:
    return Identity.objects.create(
        user=user, issuer=provider.issuer, subject=claims.subject, created_at=timezone.now()
    )
