"""Flows: one log-in or link by a provider each, from its beginning to its end."""

import base64
import hashlib
import secrets
from datetime import timedelta
from typing import Final, NamedTuple

from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.openid_connect.errors import FlowNotValid
from accounts.openid_connect.models import UsedFlow

SALT: Final = "accounts.openid_connect.flows"
LIFETIME: Final = timedelta(minutes=10)
"""From the request for the URL to the code; most of it is spent on the provider's pages."""
ID_BYTES: Final = 32
LOGIN: Final = 0
"""In the place of a user's id: the flow of somebody who isn't logged in."""


class Flow(NamedTuple):
    """What the signed text says; see Note [OpenID Connect]."""

    id: str
    provider: str
    redirect_uri: str
    user_id: int
    """Of who links, or LOGIN."""

    @property
    def state(self) -> str:
        """What comes back with the code."""
        return self._derive("state")

    @property
    def nonce(self) -> str:
        """What comes back in the ID token."""
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        """PKCE's secret, which redeems the code."""
        return self._derive("verifier")

    @property
    def challenge(self) -> str:
        """The verifier's digest, which the provider is given first (S256)."""
        return _encode(hashlib.sha256(self.verifier.encode()).digest())

    def _derive(self, what: str) -> str:
        return _encode(salted_hmac(f"{SALT}.{what}", self.id, algorithm="sha256").digest())


def make_flow(provider: str, redirect_uri: str, *, user_id: int = LOGIN) -> Flow:
    """Return a new flow; nothing is stored."""
    return Flow(secrets.token_urlsafe(ID_BYTES), provider, redirect_uri, user_id)


def sign_flow(flow: Flow) -> str:
    """Return the text that its client keeps to itself."""
    return signing.dumps(flow, salt=SALT)


def read_flow(text: str, *, state: str, user_id: int = LOGIN) -> Flow:
    """Return the flow of a text that is ours and not too old, with its own state and user.

    Raises: FlowNotValid.
    """
    try:
        flow = Flow(*signing.loads(text, salt=SALT, max_age=LIFETIME))
    except signing.BadSignature as error:
        raise FlowNotValid from error
    if not constant_time_compare(flow.state, state) or flow.user_id != user_id:
        raise FlowNotValid
    return flow


def use_up(flow: Flow) -> None:
    """Let the flow be of use this once.

    Raises: FlowNotValid.
    """
    if not UsedFlow.use_up(flow.id, LIFETIME):
        raise FlowNotValid


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
