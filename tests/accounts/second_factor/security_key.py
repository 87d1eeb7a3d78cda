"""An authenticator of WebAuthn made of software, and a browser around it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256, CoseKey
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

ORIGIN = "https://testserver"
DOMAIN = "testserver"
PRESENT = AuthenticatorData.FLAG.UP
VERIFIED = PRESENT | AuthenticatorData.FLAG.UV
CREATE, GET = CollectedClientData.TYPE.CREATE, CollectedClientData.TYPE.GET


def new_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


@dataclass
class SecurityKey:
    """One passkey. What a test sets differently is what an attacker might send."""

    credential_id: bytes = b"a key of Alice's"
    key: EllipticCurvePrivateKey = field(default_factory=new_key)
    counts: bool = True
    count: int = 0
    handle: str = ""
    """How it names its user, as the options for making it did."""

    def make(
        self,
        options: Mapping[str, Any],
        *,
        origin: str = ORIGIN,
        domain: str = DOMAIN,
        kind: str = CREATE,
        flags: AuthenticatorData.FLAG = PRESENT,
        public: CoseKey | None = None,
    ) -> dict[str, Any]:
        """Do as `navigator.credentials.create()`, and return what `toJSON()` does."""
        self.handle = options.get("user", {}).get("id", "")
        public = public or ES256.from_cryptography_key(self.key.public_key())  # type: ignore[no-untyped-call]  # as it is
        credential = AttestedCredentialData.create(Aaguid.NONE, self.credential_id, public)
        data = AuthenticatorData.create(
            sha256(domain.encode()),
            flags | AuthenticatorData.FLAG.AT,
            self._count(),
            credential,
        )
        return self._answer(
            clientDataJSON=_client_data(kind, options, origin),
            attestationObject=AttestationObject.create("none", data, {}),
        )

    def show(
        self,
        options: Mapping[str, Any],
        *,
        origin: str = ORIGIN,
        domain: str = DOMAIN,
        kind: str = GET,
        flags: AuthenticatorData.FLAG = PRESENT,
    ) -> dict[str, Any]:
        """Do as `navigator.credentials.get()`, and return what `toJSON()` does."""
        data = AuthenticatorData.create(sha256(domain.encode()), flags, self._count())
        client_data = _client_data(kind, options, origin)
        signature = self.key.sign(data + client_data.hash, ECDSA(SHA256()))
        return self._answer(clientDataJSON=client_data, authenticatorData=data, signature=signature)

    def show_alone(
        self, options: Mapping[str, Any], *, handle: str | None = None, **lie: Any
    ) -> dict[str, Any]:
        """Do the same where nobody has said who they are: verify the user, and name them."""
        answer = self.show(options, **({"flags": VERIFIED} | lie))
        handle = self.handle if handle is None else handle
        return answer | {"response": answer["response"] | {"userHandle": handle}}

    def _count(self) -> int:
        self.count += self.counts
        return self.count

    def _answer(self, **response: bytes) -> dict[str, Any]:
        identifier = websafe_encode(self.credential_id)
        return {
            "id": identifier,
            "rawId": identifier,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {name: websafe_encode(value) for name, value in response.items()},
        }


def _client_data(kind: str, options: Mapping[str, Any], origin: str) -> CollectedClientData:
    challenge = websafe_decode(options["challenge"])
    return CollectedClientData.create(kind, challenge, origin)
