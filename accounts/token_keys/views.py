"""`GET /.well-known/jwks.json`: the public keys, for services that verify tokens themselves."""

from typing import Final

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts.token_keys.ring import get_ring

STORED_SECONDS: Final = 300
"""How long others may store the page; a new key must be shown for longer before it signs."""


@require_safe
@cache_control(public=True, max_age=STORED_SECONDS)
def show_keys(_request: HttpRequest) -> JsonResponse:
    """List the public key of each pair (RFC 7517); secrets and private keys never."""
    return JsonResponse(
        {"keys": list(get_ring().public_keys)}, content_type="application/jwk-set+json"
    )
