"""`/auth/`: getting tokens, renewing them, giving them up."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.representations import (
    DetailSerializer,
    LoginSerializer,
    TokenPairSerializer,
    VerificationSerializer,
)
from accounts.schema import BAD_REQUEST, READ_ERRORS, TOO_LARGE, UNAVAILABLE, WRITE_ERRORS
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

    @extend_schema(
        operation_id="register",
        request=RegistrationSerializer,
        responses={201: LoginSerializer} | BAD_REQUEST | TOO_LARGE | UNAVAILABLE,
    )
    def post(self, request: Request) -> Response:
        """Make an account and log in."""
        body = RegistrationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user, tokens = register_user(**body.validated_data)
        return Response(_describe_login(user, tokens), status=status.HTTP_201_CREATED)


class LoginView(OpenView):
    """`POST /auth/login`."""

    @extend_schema(
        operation_id="login",
        request=CredentialsSerializer,
        responses={200: LoginSerializer} | WRITE_ERRORS,
    )
    def post(self, request: Request) -> Response:
        """Exchange email and password for tokens."""
        body = CredentialsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user, tokens = log_in(request=request._request, **body.validated_data)
        return Response(_describe_login(user, tokens))


class RefreshView(OpenView):
    """`POST /auth/refresh`."""

    @extend_schema(
        operation_id="refresh",
        request=RefreshTokenSerializer,
        responses={200: TokenPairSerializer} | WRITE_ERRORS,
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, once, for a new pair."""
        body = RefreshTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        tokens = refresh_session(**body.validated_data)
        return Response(TokenPairSerializer(tokens).data)


class LogoutView(OpenView):
    """`POST /auth/logout`."""

    @extend_schema(
        operation_id="logout",
        request=RefreshTokenSerializer,
        responses={200: DetailSerializer} | WRITE_ERRORS,
    )
    def post(self, request: Request) -> Response:
        """End the session of this refresh token."""
        body = RefreshTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        end_session(**body.validated_data)
        return Response({"detail": "Logged out."})


class VerifyView(APIView):
    """`GET /auth/verify`."""

    @extend_schema(operation_id="verify", responses={200: VerificationSerializer} | READ_ERRORS)
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
