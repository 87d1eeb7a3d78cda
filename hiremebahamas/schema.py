"""Customisation of the OpenAPI schema; drf-spectacular finds both classes by name."""

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.openapi import AutoSchema


class CachedJWTScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]  # its registry is untyped
    """The access token as a bearer token."""

    target_class = "usercache.auth.jwt.CachedJWTAuthentication"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Describe where to get such tokens."""
        scheme: dict[str, Any] = super().get_security_definition(auto_schema)  # type: ignore[no-untyped-call]  # as above
        return scheme | {"description": "The `access_token` of a registration, login or refresh."}


class Schema(AutoSchema):
    """drf-spectacular's description of a view, and what it leaves out."""

    def get_auth(self) -> list[dict[str, Any]]:
        """Name no scheme where no token is looked at; by default it would be an optional one."""
        return super().get_auth() if self.view.get_authenticators() else []

    def _get_request_body(self, direction: Any = "request") -> Any:
        # Only POST, PUT and PATCH may have one, it thinks. Closing an account takes the password.
        if self.method != "DELETE":
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # untyped there
        self.method = "POST"
        try:
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # as above
        finally:
            self.method = "DELETE"
