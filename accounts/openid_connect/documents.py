"""What providers publish of themselves, remembered in this process: endpoints and keys."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from accounts.openid_connect.errors import PAUSE_SECONDS, ProviderUnavailable
from accounts.openid_connect.fetching import Answer, Deadline, FetchError, fetch
from accounts.openid_connect.providers import Provider, is_safe_url

logger = logging.getLogger(__name__)

LIFETIME_SECONDS: Final = 3600.0
REFETCH_SECONDS: Final = 30.0
"""At least so long between two requests for the keys, though a token names one that isn't there."""
HTTP_OK: Final = 200
WELL_KNOWN: Final = "/.well-known/openid-configuration"
MAX_KEYS: Final = 100


class Endpoints(NamedTuple):
    """Where a provider is asked, as its discovery document says."""

    authorization: str
    token: str
    keys: str
    takes_basic: bool
    """Whether the client's secret is sent in the header Authorization, or in the form."""


class Keys(NamedTuple):
    """A provider's keys, as JWK; when they were fetched, and when newer ones were asked for."""

    found: list[dict[str, Any]]
    fetched_at: float
    asked_at: float


class Documents:
    """Both documents of each issuer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nothing yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything, failures too."""
        self._endpoints = dict[str, tuple[Endpoints, float]]()
        self._keys = dict[str, Keys]()
        self._paused_until = dict[str, float]()

    def check_answers(self, provider: Provider) -> None:
        """Check that the provider hasn't failed just before.

        Raises: ProviderUnavailable.
        """
        if self._clock() < self._paused_until.get(provider.issuer, 0.0):
            raise ProviderUnavailable

    def ask(self, provider: Provider, url: str, deadline: Deadline, **options: Any) -> Answer:
        """Send a request to a provider that isn't known to be away.

        Raises: ProviderUnavailable.
        """
        self.check_answers(provider)
        try:
            return fetch(url, deadline, **options)
        except FetchError as error:
            self._paused_until[provider.issuer] = self._clock() + PAUSE_SECONDS
            raise _refuse(provider, str(error)) from None

    def find_endpoints(self, provider: Provider, deadline: Deadline) -> Endpoints:
        """Return where the provider is asked.

        Raises: ProviderUnavailable, also if the document is another issuer's.
        """
        endpoints, fetched_at = self._endpoints.get(provider.issuer, (None, 0.0))
        if endpoints is not None and self._clock() < fetched_at + LIFETIME_SECONDS:
            return endpoints
        now = self._clock()
        document = self._read(provider, provider.issuer.rstrip("/") + WELL_KNOWN, deadline)
        endpoints = _parse_discovery(provider, document)
        self._endpoints[provider.issuer] = endpoints, now
        return endpoints

    def find_keys(self, provider: Provider, deadline: Deadline) -> list[dict[str, Any]]:
        """Return the provider's keys, which may be an hour old.

        Raises: ProviderUnavailable.
        """
        keys = self._keys.get(provider.issuer)
        if keys is not None and self._clock() < keys.fetched_at + LIFETIME_SECONDS:
            return keys.found
        return self._fetch_keys(provider, deadline)

    def find_newer_keys(self, provider: Provider, deadline: Deadline) -> list[dict[str, Any]]:
        """Return the keys, fetched again, or none if they were fetched just before.

        Raises: ProviderUnavailable.
        """
        with self._lock:
            keys = self._keys.get(provider.issuer)
            if keys is not None:
                if self._clock() < keys.asked_at + REFETCH_SECONDS:
                    return []
                # Before they are there: another thread needn't ask as well.
                self._keys[provider.issuer] = keys._replace(asked_at=self._clock())
        return self._fetch_keys(provider, deadline)

    def _fetch_keys(self, provider: Provider, deadline: Deadline) -> list[dict[str, Any]]:
        url, now = self.find_endpoints(provider, deadline).keys, self._clock()
        listed = self._read(provider, url, deadline).get("keys")
        if not isinstance(listed, list) or len(listed) > MAX_KEYS:
            raise _refuse(provider, "its keys are no list of keys")
        found = [key for key in listed if isinstance(key, dict)]
        self._keys[provider.issuer] = Keys(found, now, now)
        return found

    def _read(self, provider: Provider, url: str, deadline: Deadline) -> dict[str, Any]:
        answer = self.ask(provider, url, deadline)
        if answer.status != HTTP_OK:
            raise _refuse(provider, f"it answered with status {answer.status}")
        return answer.body


DOCUMENTS: Final = Documents()


def _parse_discovery(provider: Provider, document: dict[str, Any]) -> Endpoints:
    if document.get("issuer") != provider.issuer:
        raise _refuse(provider, "its discovery document is of another issuer")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    authorization, token, keys = (document.get(name) for name in names)
    if not all(map(is_safe_url, (authorization, token, keys))):
        raise _refuse(provider, "its discovery document names an endpoint without HTTPS")
    methods = document.get("token_endpoint_auth_methods_supported")
    # Source: OpenID Connect Discovery 1.0, section 3: without a list, it is client_secret_basic.
    takes_basic = not isinstance(methods, list) or "client_secret_basic" in methods
    return Endpoints(str(authorization), str(token), str(keys), takes_basic)


def _refuse(provider: Provider, reason: str) -> ProviderUnavailable:
    logger.warning("The provider %s can't be used: %s.", provider.name, reason)
    return ProviderUnavailable()
