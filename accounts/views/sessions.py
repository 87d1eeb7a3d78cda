"""`/auth/`: getting tokens, renewing them, giving them up."""

import uuid
from contextlib import suppress
from typing import Any

from django.conf import settings
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_keys.access import KeyedView
from accounts.clients.devices import get_device
from accounts.errors import InvalidRefreshToken, NoSuchSession
from accounts.limits.rates import check_limit, check_mail_limit
from accounts.limits.workload import slow_work
from accounts.models import User
from accounts.registrations.services import ask_to_register
from accounts.schema import sessions as schema
from accounts.serializers.requests import (
    CredentialsSerializer,
    RefreshTokenSerializer,
    RegistrationSerializer,
)
from accounts.serializers.responses import (
    LoginSerializer,
    SessionListSerializer,
    TokenPairSerializer,
)
from accounts.services.account import log_in, register_user
from accounts.services.administration import revoke_tokens
from accounts.services.sessions import end_session, list_sessions, log_out, refresh_session
from accounts.tokens.claims import TokenPair, read_refresh_token
from accounts.tokens.refresh_cookies import delete_cookie, read_cookie
from accounts.tokens.viewer import get_session_id, get_viewer
from accounts.views.tokens import TokenView


class OpenView(TokenView):
    """A view for clients without a valid access token."""

    # An expired token in the header must not stand in the way of a new one.
    authentication_classes = ()
    permission_classes = (AllowAny,)


class RegisterView(OpenView):
    """`POST /auth/register`."""

    @schema.REGISTER
    def post(self, request: Request) -> Response:
        """Make an account and log in; or only ask, see Note [Registration by mail]."""
        body = RegistrationSerializer.read(request)
        with slow_work():
            check_limit(request, "register")
            if settings.AUTH_REGISTRATION_BY_MAIL:
                check_mail_limit(request, "register", recipient=body["email"])
                ask_to_register(**body)
                return Response(
                    {"detail": schema.ASKED_TO_REGISTER}, status=status.HTTP_202_ACCEPTED
                )
            user, tokens = register_user(device=get_device(request), **body)
        return Response(describe_login(user, tokens), status=status.HTTP_201_CREATED)


class LoginView(OpenView):
    """`POST /auth/login`."""

    @schema.LOGIN
    def post(self, request: Request) -> Response:
        """Exchange email and password for tokens."""
        body = CredentialsSerializer.read(request)
        with slow_work():
            check_limit(request, "login", account=body["email"])
            user, tokens = log_in(request=request._request, **body)
        return Response(describe_login(user, tokens))


class RefreshView(OpenView):
    """`POST /auth/refresh`."""

    @schema.REFRESH
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, once, for a new pair."""
        body = RefreshTokenSerializer.read(request)
        return _refresh(request, **body)


class CookieRefreshView(OpenView):
    """`POST /auth/cookie/refresh`."""

    @schema.REFRESH_BY_COOKIE
    def post(self, request: Request) -> Response:
        """Exchange the refresh token of the cookie, once, for an access token and a new cookie."""
        return _refresh(request, refresh_token=read_cookie(request))


class CookieLogoutView(OpenView):
    """`POST /auth/cookie/logout`."""

    @schema.LOGOUT_BY_COOKIE
    def post(self, request: Request) -> Response:
        """End the session of the cookie, if it is still good, and delete the cookie."""
        with suppress(InvalidRefreshToken):
            log_out(refresh_token=read_cookie(request))
        response = Response({"detail": schema.LOGGED_OUT})
        delete_cookie(response)
        return response


class LogoutView(OpenView):
    """`POST /auth/logout`."""

    @schema.LOGOUT
    def post(self, request: Request) -> Response:
        """End the session of this refresh token, and its access tokens."""
        body = RefreshTokenSerializer.read(request)
        log_out(**body)
        return Response({"detail": schema.LOGGED_OUT})


class SessionsView(APIView):
    """`GET` and `DELETE /auth/sessions`."""

    @schema.LIST_SESSIONS
    def get(self, request: Request) -> Response:
        """Return one's own sessions, the last used first."""
        sessions = list_sessions(user_id=get_viewer(request).pk)
        context = {"current": get_session_id(request)}
        return Response(SessionListSerializer({"results": sessions}, context=context).data)

    @schema.END_SESSIONS
    def delete(self, request: Request) -> Response:
        """Log out everywhere, here included."""
        revoke_tokens(user_id=get_viewer(request).pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SessionView(APIView):
    """`DELETE /auth/sessions/{id}`."""

    @schema.END_SESSION
    def delete(self, request: Request, session_id: uuid.UUID) -> Response:
        """End one of one's own sessions, and its access tokens."""
        if not end_session(user_id=get_viewer(request).pk, session_id=session_id):
            raise NoSuchSession
        return Response(status=status.HTTP_204_NO_CONTENT)


class VerifyView(KeyedView):
    """`GET /auth/verify`."""

    @schema.VERIFY
    def get(self, request: Request) -> Response:
        """Return the user of the access token; without a query when the user is cached."""
        return Response({"valid": True, "user_id": get_viewer(request).pk})


def _refresh(request: Request, *, refresh_token: str) -> Response:
    check_limit(request, "refresh", account=_find_session(refresh_token=refresh_token))
    tokens = refresh_session(device=get_device(request), refresh_token=refresh_token)
    return Response(TokenPairSerializer(tokens).data)


def _find_session(*, refresh_token: str) -> object:
    # Of a token that isn't ours, none: only the address counts.
    try:
        return read_refresh_token(refresh_token).session_id
    except InvalidRefreshToken:
        return None


def describe_login(user: User, tokens: TokenPair) -> dict[str, Any]:
    """Return the answer to a log-in."""
    return LoginSerializer(
        {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "token_type": "bearer",
            "user": user,
        }
    ).data
