"""What clients are shown: users, tokens and errors."""

from typing import Any

from rest_framework import serializers

from accounts.models import User


class UserSerializer(serializers.ModelSerializer[User]):
    """A user as they see themselves: the columns that are safe to cache, and no other."""

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

    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField(default="bearer")


class LoginSerializer(TokenPairSerializer):
    """A login: the tokens, and whose they are."""

    user = UserSerializer()


class VerificationSerializer(serializers.Serializer[Any]):
    """The answer to a good access token."""

    valid = serializers.BooleanField(default=True)
    user_id = serializers.IntegerField()


class AvatarSerializer(serializers.Serializer[Any]):
    """Where the new picture is."""

    avatar_url = serializers.CharField()


class DetailSerializer(serializers.Serializer[Any]):
    """A sentence for people."""

    detail = serializers.CharField()


class ErrorSerializer(DetailSerializer):
    """Why a request was refused: a sentence for people, a code for programs."""

    code = serializers.CharField()
