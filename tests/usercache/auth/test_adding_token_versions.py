"""Token versions are added to a project in use, by the steps of docs/installation.md."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.test import APIRequestFactory
from rest_framework_simplejwt.serializers import (
    TokenObtainPairSerializer,
    TokenRefreshSerializer,
)
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken

from tests.users import User
from usercache.auth.jwt import CachedJWTAuthentication
from usercache.auth.verified_tokens import get_verified_tokens

pytestmark = pytest.mark.django_db(transaction=True)


class VersionedTokenSerializer(TokenObtainPairSerializer):
    """Of the documentation."""

    @classmethod
    def get_token(cls, user: Any) -> Any:
        token = super().get_token(user)
        token["token_version"] = user.token_version
        return token


def log_in(user: User, serializer: type[TokenObtainPairSerializer]) -> tuple[str, str]:
    refresh: Any = serializer.get_token(user)
    return str(refresh.access_token), str(refresh)


def refresh(token: str) -> tuple[str, str]:
    serializer = TokenRefreshSerializer(data={"refresh": token})
    serializer.is_valid(raise_exception=True)
    data = serializer.validated_data
    return data["access"], data.get("refresh", token)


def is_let_in(access: str) -> bool:
    request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {access}"})
    try:
        return CachedJWTAuthentication().authenticate(request) is not None
    except AuthenticationFailed:
        return False


@pytest.fixture(params=[True, False], ids=["rotated", "kept"])
def _rotation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(api_settings, "ROTATE_REFRESH_TOKENS", request.param)
    yield
    get_verified_tokens.cache_clear()


@pytest.mark.usefixtures("_rotation")
def test_nobody_is_locked_out(alice: User, settings: Settings) -> None:
    """Older tokens and their successors are valid until a revocation; new ones from then on."""
    settings.USERCACHE_TOKEN_VERSION_FIELD = ""
    access, chain = log_in(alice, TokenObtainPairSerializer)
    assert "token_version" not in RefreshToken(chain).payload  # type: ignore[arg-type]  # any
    assert is_let_in(access)

    settings.USERCACHE_TOKEN_VERSION_FIELD = "token_version"
    settings.USERCACHE_TOKEN_VERSION_UNCLAIMED = 1
    assert is_let_in(access)
    for _ in range(2):
        access, chain = refresh(chain)
        assert is_let_in(access)
    new_access, new_chain = log_in(alice, VersionedTokenSerializer)
    assert is_let_in(new_access)
    assert is_let_in(refresh(new_chain)[0])
    beside = log_in(alice, TokenObtainPairSerializer)[0]  # by a process with the older code
    assert is_let_in(beside)

    User.objects.filter(pk=alice.pk).update(token_version=2)
    assert not any(map(is_let_in, (access, refresh(chain)[0], new_access, beside)))
    alice.refresh_from_db()
    assert is_let_in(log_in(alice, VersionedTokenSerializer)[0])

    settings.USERCACHE_TOKEN_VERSION_UNCLAIMED = 0
    assert is_let_in(log_in(alice, VersionedTokenSerializer)[0])
    assert not is_let_in(log_in(alice, TokenObtainPairSerializer)[0])
