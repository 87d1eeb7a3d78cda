"""An OpenID Connect provider on loopback: Authlib's server parts, PKCE required, and faults."""

import json
import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, JsonRequest, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

CLIENT_ID = "hiremebahamas"
CLIENT_SECRET = "conch-salad-at-noon"
REDIRECT_URI = "https://www.example.com/signed-in"
SECOND_URI = "https://app.example.com/signed-in"
METHODS = ("client_secret_basic", "client_secret_post")
Claims = dict[str, Any]
Sign = Callable[[Claims], str]


class Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """Us, as the provider knows us."""

    def get_client_id(self) -> str:
        return CLIENT_ID

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in (REDIRECT_URI, SECOND_URI)

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in METHODS

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"

    def get_allowed_scope(self, scope: str) -> str:
        return scope


class Code:
    """What the provider remembers of a code."""

    def __init__(self, request: Any) -> None:
        data = request.payload.data
        self.redirect_uri, self.scope = data["redirect_uri"], data["scope"]
        self.code_challenge = data["code_challenge"]
        self.code_challenge_method = data["code_challenge_method"]
        self.nonce, self.user = data.get("nonce"), request.user

    def get_redirect_uri(self) -> Any:
        return self.redirect_uri

    def get_scope(self) -> Any:
        return self.scope

    def get_nonce(self) -> Any:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """The grant, with its codes in memory."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code: str, request: Any) -> None:
        self.server.provider.codes[code] = Code(request)

    def query_authorization_code(self, code: str, client: Any) -> Any:
        return self.server.provider.codes.get(code)

    def delete_authorization_code(self, authorization_code: Any) -> None:
        codes = self.server.provider.codes
        for code in [code for code, kept in codes.items() if kept is authorization_code]:
            del codes[code]

    def authenticate_user(self, authorization_code: Any) -> Any:
        return authorization_code.user


class IDTokens(OpenIDCode):  # type: ignore[misc]
    """ID tokens, which a test may have signed otherwise."""

    def __init__(self, provider: "Provider") -> None:
        super().__init__(require_nonce=True)
        self.provider = provider

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return False

    def encode_id_token(self, token: Any, request: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.provider.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": request.authorization_code.nonce,
        }
        return self.provider.sign(claims | request.user | self.provider.claims)


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's, without a framework around it."""

    def __init__(self, provider: "Provider") -> None:
        super().__init__()
        self.provider = provider
        self.register_grant(CodeGrant, [CodeChallenge(required=True), IDTokens(provider)])
        self.register_token_generator("default", provider.make_tokens)

    def query_client(self, client_id: str) -> Client | None:
        return Client() if client_id == CLIENT_ID else None

    def save_token(self, token: Any, request: Any) -> None:
        pass

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass

    def create_oauth2_request(self, request: Any) -> OAuth2Request:
        return request

    def create_json_request(self, request: Any) -> JsonRequest:
        raise NotImplementedError

    def handle_response(self, status: int, body: Any, headers: Any) -> Any:
        return status, body, dict(headers)


class Request(OAuth2Request):  # type: ignore[misc]
    """A request as Authlib reads it."""

    def __init__(self, method: str, path: str, data: dict[str, str], headers: Any) -> None:
        # Authlib wants HTTPS, which loopback needs not.
        super().__init__(method, f"https://127.0.0.1{path}", headers=headers)
        self.payload = BasicOAuth2Payload(data)

    @property
    def form(self) -> Any:
        return self.payload.data if self.method == "POST" else {}

    @property
    def args(self) -> Any:
        return self.payload.data if self.method == "GET" else {}


class Provider:
    """The provider; a test may set what it says, and how it fails."""

    def __init__(self, port: int = 0) -> None:
        self.http = ThreadingHTTPServer(("127.0.0.1", port), make_handler(self))
        self.http.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.rsa, self.other = (RSAKey.generate_key(2048, {"kid": kid}) for kid in "ab")
        self.ec = ECKey.generate_key("P-256", {"kid": "c"})
        self.reset()

    def reset(self) -> None:
        """Behave well again."""
        self.server = Server(self)
        self.codes = dict[str, Code]()
        self.issued = list[str]()
        self.asked = list[str]()
        self.forms = list[dict[str, str]]()
        self.keys: list[Any] = [self.rsa]
        self.claims: Claims = {}
        # Who a browser is that comes by itself.
        self.user = person("lynden")
        self.discovery: Claims = {}
        self.sign: Sign = self.sign_well
        self.faults = dict[str, Callable[[Any], None]]()
        self.released = Event()

    def __enter__(self) -> Self:
        Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_details: object) -> None:
        self.released.set()
        self.http.shutdown()
        self.http.server_close()

    def sign_well(self, claims: Claims) -> str:
        """Sign with the published key."""
        return sign(claims, self.rsa)

    def make_tokens(self, **_details: Any) -> dict[str, Any]:
        """Return tokens that this test can look for."""
        tokens = {name: secrets.token_hex(24) for name in ("access_token", "refresh_token")}
        self.issued += tokens.values()
        return tokens | {"token_type": "Bearer", "expires_in": 300, "scope": "openid email"}

    def consent(self, url: str, **user: Any) -> dict[str, str]:
        """Let a user log in on the provider's page; return what the browser is sent back with."""
        return dict(parse_qsl(urlsplit(self.send_back(url, user)).query))

    def send_back(self, url: str, user: dict[str, Any]) -> str:
        """Return where the browser is sent back to."""
        query = dict(parse_qsl(urlsplit(url).query))
        request = Request("GET", urlsplit(url).path, query, {})
        request.user = {"sub": "1", **user}
        grant = self.server.get_consent_grant(request, end_user=request.user)
        _, _, headers = self.server.create_authorization_response(
            request, grant_user=request.user, grant=grant
        )
        location = str(headers["Location"])
        assert location.startswith(query["redirect_uri"])
        return location

    def answer(self, method: str, path: str, form: dict[str, str], headers: Any) -> Any:
        """Return a status, and what to write."""
        if path == "/.well-known/openid-configuration":
            return 200, self.describe()
        if path == "/keys":
            return 200, KeySet([*self.keys]).as_dict(private=False)
        if path == "/token":
            self.forms.append(form)
            status, body, _ = self.server.create_token_response(
                Request(method, path, form, headers)
            )
            if "id_token" in body:
                self.issued.append(body["id_token"])
            return status, body
        return 404, {}

    def describe(self) -> Claims:
        """Return the discovery document."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?prompt=login",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        } | self.discovery


def sign(claims: Claims, key: Any, algorithm: str = "RS256", **header: Any) -> str:
    """Sign claims with any key, by any algorithm."""
    names = {"alg": algorithm, "kid": key.kid} | header
    named = {name: value for name, value in names.items() if value is not None}
    return jwt.encode(named, claims, key, algorithms=[algorithm])


def make_handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers for a provider."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer({})

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self.answer(dict(parse_qsl(self.rfile.read(length).decode())))

        def answer(self, form: dict[str, str]) -> None:
            path = urlsplit(self.path).path
            provider.asked.append(path)
            if path in provider.faults:
                provider.faults[path](self)
                return
            if path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.send_back(self.path, provider.user))
                self.end_headers()
                return
            status, body = provider.answer(self.command, path, form, self.headers)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: Any) -> None:
            pass

    return Handler


def person(name: str, **claims: Any) -> Claims:
    """Return what the provider says of a user."""
    return {
        "sub": f"{name}'s number",
        "email": f"{name}@example.com",
        "email_verified": True,
        "given_name": name.title(),
        "family_name": "Albury",
    } | claims


def list_variables(issuer: str) -> dict[str, str]:
    """Return the environment in which the product knows the provider."""
    return {
        "DEBUG": "True",
        "OPENID_PROVIDERS": "conch",
        "OPENID_CONCH_TITLE": "Conch Telecom",
        "OPENID_CONCH_ISSUER": issuer,
        "OPENID_CONCH_CLIENT_ID": CLIENT_ID,
        "OPENID_CONCH_CLIENT_SECRET": CLIENT_SECRET,
        "OPENID_CONCH_REDIRECT_URIS": REDIRECT_URI,
    }


def describe_to_us(issuer: str, **changes: Any) -> dict[str, dict[str, Any]]:
    """Return the setting that lists the provider."""
    entry = {
        "title": "Conch Telecom",
        "issuer": issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": (REDIRECT_URI, SECOND_URI),
    }
    return {"conch": entry | changes}
