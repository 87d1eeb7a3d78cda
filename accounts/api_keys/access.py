"""Which views take an API key, and what its scope lets it do there."""

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api_keys.authentication import ApiKeyAuthentication
from accounts.api_keys.known import Key
from accounts.api_keys.models import Scope
from accounts.errors import OutOfScope


class WithinScope(BasePermission):
    """Let a key with the scope `read` read; one with `write`, and an access token, do anything."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return True.

        Raises: OutOfScope.
        """
        key = request.auth
        is_reading = request.method in SAFE_METHODS
        if isinstance(key, Key) and not is_reading and key.scope != Scope.WRITE:
            raise OutOfScope
        return True


class KeyedView(APIView):
    """A view that takes an API key as well as an access token.

    For what programs do. What only its owner may do to an account stays with `APIView`.
    """

    authentication_classes = (*APIView.authentication_classes, ApiKeyAuthentication)
    permission_classes = (*APIView.permission_classes, WithinScope)
