"""`/auth/`: getting tokens, renewing them, giving them up."""

from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.representations import (
    LoginSerializer,
    TokenPairSerializer,
)
from accounts.schema import sessions as schema
from accounts.serializers import (
    CredentialsSerializer,
    RefreshTokenSerializer,
    RegistrationSerializer,
)
from accounts.services import log_in, register_user
from accounts.sessions import end_session, refresh_session
from accounts.tokens import TokenPair
from accounts.views.viewer import get_viewer


class OpenView(APIView):
    """A view for those who have no access token, or whose token has run out."""

    # An expired token in the header must not stand in the way of a new one.
    authentication_classes = ()
    permission_classes = (AllowAny,)


class RegisterView(OpenView):
    """`POST /auth/register`."""

    @schema.REGISTER
    def post(self, request: Request) -> Response:
        """Make an account and log in."""
        body = RegistrationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user, tokens = register_user(**body.validated_data)
        return Response(_describe_login(user, tokens), status=status.HTTP_201_CREATED)


class LoginView(OpenView):
    """`POST /auth/login`."""

    @schema.LOGIN
    def post(self, request: Request) -> Response:
        """Exchange email and password for tokens."""
        body = CredentialsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user, tokens = log_in(request=request._request, **body.validated_data)
        return Response(_describe_login(user, tokens))


class RefreshView(OpenView):
    """`POST /auth/refresh`."""

    @schema.REFRESH
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, once, for a new pair."""
        body = RefreshTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        tokens = refresh_session(**body.validated_data)
        return Response(TokenPairSerializer(tokens).data)


class LogoutView(OpenView):
    """`POST /auth/logout`."""

    @schema.LOGOUT
    def post(self, request: Request) -> Response:
        """End the session of this refresh token."""
        body = RefreshTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        end_session(**body.validated_data)
        return Response({"detail": "Logged out."})


class VerifyView(APIView):
    """`GET /auth/verify`."""

    @schema.VERIFY
    def get(self, request: Request) -> Response:
        """Say whose access token this is; without a query when the user is cached."""
        return Response({"valid": True, "user_id": get_viewer(request).pk})


def _describe_login(user: User, tokens: TokenPair) -> object:
    return LoginSerializer(
        {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "token_type": "bearer",
            "user": user,
        }
    ).data
