"""The refusals of this app."""

from typing import Final

from rest_framework.exceptions import NotFound, PermissionDenied

from accounts.errors import Conflict, Unauthorized, Unavailable

PAUSE_SECONDS: Final = 5
"""How long a provider that didn't answer isn't asked again by this process."""


class FlowNotValid(Unauthorized):
    """Not a flow of ours, too old, used before, of another user, or the state isn't its own."""

    default_detail = "This took too long, was done already, or was begun elsewhere. Begin again."
    default_code = "flow_not_valid"


class ProviderRefused(Unauthorized):
    """The provider doesn't take the code, or its ID token isn't good; the log says why."""

    default_detail = "The provider didn't confirm who you are. Begin again."
    default_code = "provider_refused"


class EmailNotVerified(PermissionDenied):
    """The identity has no account, and the provider vouches for no email to make one with."""

    default_detail = (
        "The provider doesn't say that your email is verified. Verify it there, or register here."
    )
    default_code = "email_not_verified"


class OwnEmailNotVerified(PermissionDenied):
    """The email of the account isn't verified, and may be somebody else's."""

    default_detail = "Verify the email of your account first."
    default_code = "own_email_not_verified"


class AccountExists(Conflict):
    """Somebody has the email; see Note [OpenID Connect]."""

    default_detail = (
        "There is an account with your email already. Log in to it, and link the provider there."
    )
    default_code = "account_exists"


class NoSuchIdentity(NotFound):
    """The caller has no identity with this id."""

    default_detail = "There is no such identity."


class IdentityTaken(Conflict):
    """The identity is another account's."""

    default_detail = "Another account is linked to this one of the provider. Unlink it there first."
    default_code = "identity_taken"


class ProviderLinked(Conflict):
    """The account has an identity of this provider."""

    default_detail = "Your account is linked to this provider already. Unlink it first."
    default_code = "provider_linked"


class LastWayIn(Conflict):
    """Without the identity nobody could log in to the account."""

    default_detail = "You couldn't log in any more. Choose a password first."
    default_code = "last_way_in"


class ProviderUnavailable(Unavailable):
    """The provider doesn't answer, or not as a provider does; the log says why."""

    default_detail = "The provider can't be reached just now. Try again in a moment."
    default_code = "provider_unavailable"
    wait = PAUSE_SECONDS
    """Seconds, which becomes the header Retry-After."""
