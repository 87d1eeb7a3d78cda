"""`/auth/api-keys`: a user's own keys, which no key can manage."""

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_keys import schema
from accounts.api_keys.serializers import KeyListSerializer, KeyRequestSerializer, KeySerializer
from accounts.api_keys.services import create_key, list_keys, revoke_key
from accounts.errors import NoSuchKey
from accounts.services.proof import take_proof
from accounts.tokens.viewer import get_viewer


class KeysView(APIView):
    """`GET` and `POST /auth/api-keys`."""

    @schema.LIST_KEYS
    def get(self, request: Request) -> Response:
        """Return one's own keys that are good, the last made first."""
        keys = list_keys(user_id=get_viewer(request).pk)
        return Response(KeyListSerializer({"results": keys}).data)

    @schema.CREATE_KEY
    def post(self, request: Request) -> Response:
        """Make a key; the answer is the only one that shows it."""
        body = KeyRequestSerializer.read(request)
        user_id = get_viewer(request).pk
        with take_proof(request, body) as proof:
            row, key = create_key(user_id=user_id, proof=proof, **body)
        answer = {"key": key, **KeySerializer(row).data}
        return Response(answer, status=status.HTTP_201_CREATED)


class KeyView(APIView):
    """`DELETE /auth/api-keys/{id}`."""

    @schema.REVOKE_KEY
    def delete(self, request: Request, key_id: str) -> Response:
        """Revoke one of one's own keys."""
        if not revoke_key(user_id=get_viewer(request).pk, key_id=key_id):
            raise NoSuchKey
        return Response(status=status.HTTP_204_NO_CONTENT)
