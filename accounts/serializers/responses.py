"""Serializers of responses: users, tokens and errors."""

import datetime
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from django.utils.timezone import get_default_timezone
from rest_framework import serializers

from accounts.models import LoginSession, User
from accounts.serializers.shared_fields import SharedFields

UTC_OFFSET: Final = "+00:00"

AVATAR_URL = {"help_text": "Relative to this server; empty without a picture."}


class UserRepresentation(SharedFields, serializers.ModelSerializer[User]):
    """The columns of a user that `Meta.fields` names; its fields are what the schema describes."""

    @classmethod
    def describe(cls, user: User) -> dict[str, Any]:
        """Return the values by name, as JSON has them.

        The same as an instance's `data`, which takes five times as long.
        """
        columns = _columns_of(cls)
        values = dict(zip(columns.names, columns.get_values(user), strict=True))
        for name in columns.times:
            values[name] = _format_time(values[name])
        return values

    def to_representation(self, instance: User) -> dict[str, Any]:
        """Return `describe()` of a user within another serializer's answer."""
        return self.describe(instance)


class UserSerializer(UserRepresentation):
    """A user as they see themselves."""

    # The columns that are safe to cache, and no other.

    class Meta:
        model = User
        fields = (
            "id",
            "email",
            "username",
            "first_name",
            "last_name",
            "phone",
            "bio",
            "avatar_url",
            "occupation",
            "location",
            "is_email_verified",
            "is_active",
            "is_admin",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "is_active": {"help_text": "Always true: others have no token."},
            "is_admin": {"help_text": "Whether they see email and phone of everybody."},
            "avatar_url": AVATAR_URL,
        }


class PublicProfileSerializer(UserRepresentation):
    """A user as all users see them."""

    class Meta:
        model = User
        fields: tuple[str, ...] = (
            "id",
            "username",
            "first_name",
            "last_name",
            "bio",
            "avatar_url",
            "occupation",
            "location",
            "created_at",
        )
        read_only_fields = fields
        extra_kwargs = {"avatar_url": AVATAR_URL}


class ContactProfileSerializer(PublicProfileSerializer):
    """A user as they themselves and admins see them: with email and phone."""

    class Meta(PublicProfileSerializer.Meta):
        fields = (*PublicProfileSerializer.Meta.fields, "email", "phone")
        read_only_fields = fields


class ProfilePageSerializer(SharedFields):
    """One page of the directory; `count` is over all pages."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    page_size = serializers.IntegerField()
    results = PublicProfileSerializer(many=True)


class AccessTokenSerializer(SharedFields):
    """The token for `Authorization: Bearer …`; that for the next refresh is in a cookie."""

    access_token = serializers.CharField(help_text="A JWT, good for 15 minutes.")
    token_type = serializers.CharField(default="bearer", read_only=True)


class TokenPairSerializer(SharedFields):
    """The tokens for `Authorization: Bearer …` and for the next refresh."""

    access_token = serializers.CharField(help_text="A JWT, good for 15 minutes.")
    refresh_token = serializers.CharField(
        required=False,
        help_text="Good for 14 days, and for one use. Left out where it is in a cookie.",
    )
    token_type = serializers.CharField(default="bearer", read_only=True)


class LoginSerializer(TokenPairSerializer):
    """A login: the tokens and their user."""

    user = UserSerializer()


class SessionSerializer(serializers.ModelSerializer[LoginSession]):
    """A log-in that isn't over. `current` in the context is the id of the caller's own."""

    last_used_at = serializers.DateTimeField(
        source="rotated_at", help_text="When its tokens were last renewed."
    )
    is_current = serializers.SerializerMethodField(help_text="Whether this request is of it.")

    class Meta:
        model = LoginSession
        fields = (
            "id",
            "created_at",
            "last_used_at",
            "expires_at",
            "address",
            "user_agent",
            "is_current",
        )
        read_only_fields = fields
        extra_kwargs = {
            "address": {"help_text": "Of the last renewal; null if it isn't known."},
            "user_agent": {"help_text": "What the client called itself, at most 200 characters."},
        }

    def get_is_current(self, session: LoginSession) -> bool:
        """Return whether the caller's token is of this session."""
        return bool(session.pk == self.context["current"])


class SessionListSerializer(serializers.Serializer[Any]):
    """One's own sessions, a hundred at most."""

    results = SessionSerializer(many=True)


class VerificationSerializer(SharedFields):
    """The answer to a good access token."""

    valid = serializers.BooleanField(default=True, read_only=True)
    user_id = serializers.IntegerField()


class AvatarSerializer(SharedFields):
    """Where the new picture is."""

    avatar_url = serializers.CharField(help_text="Relative to this server.")


class DetailSerializer(SharedFields):
    """A sentence for people."""

    detail = serializers.CharField(help_text="For people; may be worded otherwise tomorrow.")


class ErrorSerializer(DetailSerializer):
    """Why a request was refused: a sentence for people, a code for programs."""

    code = serializers.CharField(help_text="For programs.")


class UnfinishedLoginSerializer(ErrorSerializer):
    """Why a log-in was refused, and what to go on with where only a second factor is missing."""

    challenge = serializers.CharField(
        required=False, help_text="For `POST /auth/login/second-factor`, where that is the next."
    )


class Columns(NamedTuple):
    """How a user's columns are read for one representation."""

    names: tuple[str, ...]
    get_values: Callable[[User], tuple[Any, ...]]
    times: tuple[str, ...]
    """Those that JSON has no type for."""


@cache
def _columns_of(representation: type[UserRepresentation]) -> Columns:
    fields = representation().fields
    times = [name for name, field in fields.items() if isinstance(field, serializers.DateTimeField)]
    return Columns(tuple(fields), attrgetter(*fields), tuple(times))


def _format_time(time: datetime.datetime) -> str:
    text = time.astimezone(get_default_timezone()).isoformat()
    return f"{text.removesuffix(UTC_OFFSET)}Z" if text.endswith(UTC_OFFSET) else text
