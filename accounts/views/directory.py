"""`/users`: what users see of each other."""

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.access import KeyedView
from accounts.directory.pages import find_page, is_visible
from accounts.errors import NoSuchUser
from accounts.limits.rates import check_limit
from accounts.limits.workload import slow_work
from accounts.models import User
from accounts.schema import directory as schema
from accounts.serializers.requests import DirectoryQuerySerializer, LookupQuerySerializer
from accounts.serializers.responses import (
    ContactProfileSerializer,
    ProfilePageSerializer,
    PublicProfileSerializer,
)
from accounts.tokens.viewer import get_viewer
from usercache.users import (
    get_user_by_email,
    get_user_by_id,
    get_user_by_phone,
    get_user_by_username,
)

LOOK_UPS = {
    "username": get_user_by_username,
    "email": get_user_by_email,
    "phone": get_user_by_phone,
}


class DirectoryView(KeyedView):
    """`GET /users`."""

    @schema.LIST_USERS
    def get(self, request: Request) -> Response:
        """Return a page of the active users, found by every word of `search`."""
        query = DirectoryQuerySerializer.read(request)
        viewer = get_viewer(request)
        with slow_work():
            check_limit(request, "search", account=viewer.pk)
            found = find_page(**query, viewer=viewer)
        answer = {
            "count": found.total,
            "page": query["page"],
            "page_size": query["page_size"],
            "results": found.users,
        }
        return Response(ProfilePageSerializer(answer).data)


class UserView(KeyedView):
    """`GET /users/{id}`."""

    @schema.GET_USER
    def get(self, request: Request, user_id: int) -> Response:
        """Return a profile, with email and phone for oneself and for admins."""
        viewer = get_viewer(request)
        user = _check_visible(get_user_by_id(user_id), viewer)
        sees_contact = viewer.is_admin or viewer.pk == user.pk
        return Response(_describe(user, with_contact=sees_contact))


class LookupView(KeyedView):
    """`GET /users/lookup`."""

    @schema.LOOK_UP_USER
    def get(self, request: Request) -> Response:
        """Return the profile with this username or, for admins, with this email or phone."""
        [(identifier, value)] = LookupQuerySerializer.read(request).items()
        viewer = get_viewer(request)
        if identifier != "username" and not viewer.is_admin:
            # Or any user could find out which emails have an account.
            raise PermissionDenied(f"Only admins look users up by {identifier}. Use username.")
        user = _check_visible(LOOK_UPS[identifier](value), viewer)
        return Response(_describe(user, with_contact=viewer.is_admin))


def _check_visible(user: object, viewer: User) -> User:
    if not isinstance(user, User) or not is_visible(user, viewer=viewer):
        raise NoSuchUser
    return user


def _describe(user: User, *, with_contact: bool) -> object:
    representation = ContactProfileSerializer if with_contact else PublicProfileSerializer
    return representation.describe(user)
