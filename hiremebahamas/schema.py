"""How the OpenAPI schema describes our way to authenticate."""

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme


class CachedJWTScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]  # its registry is untyped
    """The access token as a bearer token; drf-spectacular finds this by its target."""

    target_class = "usercache.authentication.CachedJWTAuthentication"
