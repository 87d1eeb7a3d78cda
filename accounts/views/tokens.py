"""What all views have in common whose answer may hold tokens."""

from typing import Any

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.tokens import refresh_cookies

REFRESH_TOKEN = "refresh_token"  # noqa: S105  # a field's name


class TokenView(APIView):
    """Moves the refresh token from the body into a cookie, for clients that ask for that.

    Here and not where each answer is made: none can be forgotten.
    """

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Do so; see Note [Refresh cookie]."""
        body = response.data
        has_token = status.is_success(response.status_code) and REFRESH_TOKEN in (body or ())
        if has_token and refresh_cookies.is_asked_for(request):
            refresh_cookies.set_cookie(response, body.pop(REFRESH_TOKEN))
        return super().finalize_response(request, response, *args, **kwargs)
