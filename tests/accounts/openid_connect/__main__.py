"""A provider to try things with, which asks its users nothing: see docs/providers.md."""

import sys
from threading import Event

from tests.accounts.openid_connect.provider import Provider, list_variables

PORT = 9000

if __name__ == "__main__":
    with Provider(PORT) as provider:
        for name, value in list_variables(provider.issuer).items():
            sys.stdout.write(f"{name}={value}\n")
        sys.stdout.flush()
        Event().wait()
