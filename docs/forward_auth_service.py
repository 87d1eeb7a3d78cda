"""A service without Django, behind the gateway of docs/gateways.md."""

import hashlib
import hmac
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

KEY = os.environ["USERCACHE_FORWARD_SIGNING_KEY"].encode()
LONGEST_AGE_SECONDS = 30


class Jobs(BaseHTTPRequestHandler):
    def do_GET(self):
        user_id = self.find_user()
        self.send_response(200 if user_id else 401)
        self.end_headers()
        self.wfile.write(f"These are the jobs of user {user_id}.\n".encode() if user_id else b"")

    def find_user(self):
        told = {k.lower(): v for k, v in self.headers.items() if k.lower().startswith("x-user-")}
        signature = dict(
            part.split("=", 1) for part in told.pop("x-user-signature", "t=0,v1=").split(",")
        )
        lines = "\n".join([signature["t"], *(f"{name}:{told[name]}" for name in sorted(told))])
        wanted = hmac.new(KEY, lines.encode(), hashlib.sha256).hexdigest()
        is_recent = abs(time.time() - int(signature["t"])) <= LONGEST_AGE_SECONDS
        is_ours = hmac.compare_digest(signature["v1"].encode(), wanted.encode())
        return unquote(told["x-user-id"]) if is_ours and is_recent and "x-user-id" in told else None


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Jobs).serve_forever()
