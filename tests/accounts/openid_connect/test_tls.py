"""Over HTTPS a provider has to show a certificate that this machine trusts, for its own name."""

import ssl
from collections.abc import Iterator

import pytest
import trustme

from accounts.openid_connect.fetching import Deadline, FetchError, fetch
from tests.accounts.openid_connect.provider import Provider

SECONDS = 10.0
PATH = "/.well-known/openid-configuration"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Sign certificates."""
    return trustme.CA()


@pytest.fixture
def secured(authority: trustme.CA) -> Iterator[Provider]:
    """Run a provider behind TLS, as 127.0.0.1 and under no name."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    provider = Provider()
    provider.http.socket = context.wrap_socket(provider.http.socket, server_side=True)
    provider.issuer = provider.issuer.replace("http:", "https:")
    with provider:
        yield provider


def test_unknown_authority(secured: Provider) -> None:
    """Nothing is asked."""
    with pytest.raises(FetchError, match="SSLCertVerificationError"):
        fetch(secured.issuer + PATH, Deadline(SECONDS))
    assert not secured.asked


def test_known_authority(
    secured: Provider, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked under the name of its certificate, and no other."""
    with authority.cert_pem.tempfile() as file:
        monkeypatch.setenv("SSL_CERT_FILE", file)
        answer = fetch(secured.issuer + PATH, Deadline(SECONDS))
        assert answer.body["issuer"] == secured.issuer
        with pytest.raises(FetchError, match="SSLCertVerificationError"):
            fetch(secured.issuer.replace("127.0.0.1", "localhost") + PATH, Deadline(SECONDS))
    assert secured.asked == [PATH]
