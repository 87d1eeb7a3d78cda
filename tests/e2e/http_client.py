"""Requests as a client of the API makes them."""

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

BOUNDARY = "part-of-a-form"


class Answer(NamedTuple):
    """A response; its body decoded, None where there is none."""

    status: int
    body: Any


@dataclass(frozen=True)
class HttpClient:
    """A client with or without an access token, with a new connection for each request."""

    url: str
    token: str = ""
    agent: str = "tests"
    scheme: str = "Bearer"
    timeout_seconds: float = 60.0

    def having(self, token: str) -> Self:
        """Return the same client with this access token."""
        return replace(self, token=token, scheme="Bearer")

    def having_key(self, key: str) -> Self:
        """Return the same client with this API key."""
        return replace(self, token=key, scheme="Api-Key")

    def get(self, path: str) -> Answer:
        """Read."""
        return self._send("GET", path)

    def send(self, method: str, path: str, body: object) -> Answer:
        """Send JSON: `client.send("PUT", "/auth/profile", {"bio": "Cooks."})`."""
        return self._send(method, path, json.dumps(body).encode(), "application/json")

    def send_chunks(self, method: str, path: str, body: object) -> Answer:
        """Send JSON in chunks of seven bytes, without its length."""
        data = json.dumps(body).encode()
        chunks = (data[start : start + 7] for start in range(0, len(data), 7))
        return self._send(method, path, chunks, "application/json")

    def upload(self, path: str, data: bytes) -> Answer:
        """Send a file as the form field `file`."""
        disposition = 'Content-Disposition: form-data; name="file"; filename="me.png"'
        head = f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: image/png\r\n\r\n"
        form = head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()
        return self._send("POST", path, form, f"multipart/form-data; boundary={BOUNDARY}")

    def _send(
        self, method: str, path: str, data: bytes | Iterable[bytes] | None = None, kind: str = ""
    ) -> Answer:
        headers = {"User-Agent": self.agent, "Connection": "close"}
        headers |= {"Authorization": f"{self.scheme} {self.token}"} if self.token else {}
        headers |= {"Content-Type": kind} if kind else {}
        address = urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(address, timeout=self.timeout_seconds)
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            content = response.read()
            return Answer(response.status, json.loads(content) if content else None)
        finally:
            connection.close()
