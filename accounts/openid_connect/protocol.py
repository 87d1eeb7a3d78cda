"""The two steps of a log-in at a provider: the URL of its page, and the code for an ID token."""

import base64
import logging
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from accounts.openid_connect.client_secrets import make_secret
from accounts.openid_connect.documents import DOCUMENTS, HTTP_OK, Endpoints
from accounts.openid_connect.errors import ProviderRefused
from accounts.openid_connect.fetching import Deadline
from accounts.openid_connect.flows import Flow
from accounts.openid_connect.id_tokens import (
    BadTokenError,
    Claims,
    UnknownKeyError,
    read_id_token,
)
from accounts.openid_connect.providers import FORM_POST, Provider

logger = logging.getLogger(__name__)

ERROR_MAX_LENGTH: Final = 40


def make_authorization_url(provider: Provider, flow: Flow) -> str:
    """Return the URL of the page on which the provider asks its user.

    Raises: ProviderUnavailable.
    """
    parameters = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": flow.redirect_uri,
        "scope": " ".join(provider.scopes),
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": flow.challenge,
        "code_challenge_method": "S256",
    }
    if provider.response_mode == FORM_POST:
        parameters["response_mode"] = FORM_POST
    url = DOCUMENTS.find_endpoints(provider, _start()).authorization
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


@sensitive_variables()
def redeem_code(provider: Provider, flow: Flow, code: str) -> Claims:
    """Exchange a code for an ID token, and return what that says; the other tokens are dropped.

    Raises: ProviderRefused, ProviderUnavailable.
    """
    deadline = _start()
    try:
        id_token = _fetch_id_token(provider, flow, code, deadline)
        try:
            keys = DOCUMENTS.find_keys(provider, deadline)
            return read_id_token(id_token, provider, keys, flow.nonce)
        except UnknownKeyError:
            keys = DOCUMENTS.find_newer_keys(provider, deadline)
            return read_id_token(id_token, provider, keys, flow.nonce)
    except BadTokenError as error:
        reason = str(error)
    logger.warning("An ID token of the provider %s isn't good: %s.", provider.name, reason)
    raise ProviderRefused


@sensitive_variables()
def _fetch_id_token(provider: Provider, flow: Flow, code: str, deadline: Deadline) -> object:
    endpoints = DOCUMENTS.find_endpoints(provider, deadline)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": flow.redirect_uri,
        "code_verifier": flow.verifier,
    }
    identification = _identify(provider, endpoints, form)
    answer = DOCUMENTS.ask(provider, endpoints.token, deadline, form=form, headers=identification)
    if answer.status != HTTP_OK:
        logger.warning(
            "The provider %s took no code: status %s, %s.",
            provider.name,
            answer.status,
            _name_error(answer.body),
        )
        raise ProviderRefused
    return answer.body.get("id_token")


def _identify(provider: Provider, endpoints: Endpoints, form: dict[str, str]) -> dict[str, str]:
    # Into the header that is returned, or into the form.
    secret = make_secret(provider)
    if not endpoints.takes_basic:
        form |= {"client_id": provider.client_id, "client_secret": secret}
        return {}
    # Encoded before they are joined. Source: RFC 6749, section 2.3.1.
    pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _name_error(body: dict[str, Any]) -> str:
    # A word of RFC 6749, section 5.2; nothing else of what a provider writes is logged.
    error = body.get("error")
    is_word = isinstance(error, str) and error.replace("_", "").isalpha() and error.isascii()
    return error[:ERROR_MAX_LENGTH] if isinstance(error, str) and is_word else "without a reason"


def _start() -> Deadline:
    return Deadline(settings.AUTH_OPENID_TIMEOUT_SECONDS)
