"""What clients are shown: users, tokens and errors."""

from typing import Any

from rest_framework import serializers

from accounts.models import User

AVATAR_URL = {"help_text": "Relative to this server; empty without a picture."}


class UserSerializer(serializers.ModelSerializer[User]):
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


class PublicProfileSerializer(serializers.ModelSerializer[User]):
    """A user as everybody sees them."""

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


class ProfilePageSerializer(serializers.Serializer[Any]):
    """One page of the directory; `count` is over all pages."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    page_size = serializers.IntegerField()
    results = PublicProfileSerializer(many=True)


class TokenPairSerializer(serializers.Serializer[Any]):
    """What `Authorization: Bearer …` and the next refresh need."""

    access_token = serializers.CharField(help_text="A JWT, good for 15 minutes.")
    refresh_token = serializers.CharField(help_text="Good for 14 days, and for one use.")
    token_type = serializers.CharField(default="bearer", read_only=True)


class LoginSerializer(TokenPairSerializer):
    """A login: the tokens, and whose they are."""

    user = UserSerializer()


class VerificationSerializer(serializers.Serializer[Any]):
    """The answer to a good access token."""

    valid = serializers.BooleanField(default=True, read_only=True)
    user_id = serializers.IntegerField()


class AvatarSerializer(serializers.Serializer[Any]):
    """Where the new picture is."""

    avatar_url = serializers.CharField(help_text="Relative to this server.")


class DetailSerializer(serializers.Serializer[Any]):
    """A sentence for people."""

    detail = serializers.CharField(help_text="For people; may be worded otherwise tomorrow.")


class ErrorSerializer(DetailSerializer):
    """Why a request was refused: a sentence for people, a code for programs."""

    code = serializers.CharField(help_text="For programs.")
