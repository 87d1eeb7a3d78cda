"""`/auth/`: a user's own account."""

from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.access import KeyedView
from accounts.clients.devices import get_device
from accounts.limits.rates import check_limit
from accounts.limits.workload import slow_work
from accounts.models import User
from accounts.pictures.avatars import prepare_avatar
from accounts.schema import profile as schema
from accounts.serializers.requests import (
    AvatarUploadSerializer,
    PasswordChangeSerializer,
    ProfileChangesSerializer,
)
from accounts.serializers.responses import TokenPairSerializer, UserSerializer
from accounts.services.account import change_password, set_avatar, update_profile
from accounts.services.proof import take_proof
from accounts.tokens.viewer import get_viewer
from accounts.views.parsers import LimitedMultiPartParser
from accounts.views.tokens import TokenView

PROOF: Final = ("password", "code")


class ProfileView(KeyedView):
    """`GET`, `PUT` and `PATCH /auth/profile`."""

    @schema.GET_PROFILE
    def get(self, request: Request) -> Response:
        """Return one's own user; without a query when cached."""
        return Response(UserSerializer.describe(get_viewer(request)))

    @schema.UPDATE_PROFILE
    def put(self, request: Request) -> Response:
        """Change the fields that are given."""
        user = _update(request, ProfileChangesSerializer.read(request))
        return Response(UserSerializer.describe(user))

    @schema.PATCH_PROFILE
    def patch(self, request: Request) -> Response:
        """Change the fields that are given, as `PUT` does."""
        return self.put(request)


class AvatarView(KeyedView):
    """`POST /auth/upload-avatar`."""

    parser_classes = (LimitedMultiPartParser,)

    @schema.UPLOAD_AVATAR
    def post(self, request: Request) -> Response:
        """Replace one's picture: a JPEG, PNG or WebP of at most 5 MB."""
        form = AvatarUploadSerializer.read(request)
        user_id = get_viewer(request).pk
        with slow_work():
            check_limit(request, "picture", account=user_id)
            content = prepare_avatar(form["file"].read())
        user = set_avatar(user_id=user_id, content=content)
        return Response({"avatar_url": user.avatar_url})


class PasswordView(TokenView):
    """`POST /auth/change-password`."""

    @schema.CHANGE_PASSWORD
    def post(self, request: Request) -> Response:
        """Change one's password; every older token dies, and a new pair comes back."""
        body = PasswordChangeSerializer.read(request)
        user_id = get_viewer(request).pk
        with take_proof(request, body, field="current_password") as proof:
            tokens = change_password(
                user_id=user_id, proof=proof, device=get_device(request), **body
            )
        return Response(TokenPairSerializer(tokens).data)


def _update(request: Request, values: dict[str, Any]) -> User:
    user = get_viewer(request)
    if values.get("phone", user.phone) != user.phone:
        with take_proof(request, values) as proof:
            return update_profile(user_id=user.pk, changes=values, proof=proof)
    # Nothing to prove: neither counted nor looked at.
    changes = {name: value for name, value in values.items() if name not in PROOF}
    return update_profile(user_id=user.pk, changes=changes)
