"""Serializers of this app's requests and answers."""

from typing import Any, Final

from rest_framework import serializers

from accounts.openid_connect.models import Identity
from accounts.openid_connect.providers import find_provider, list_providers
from accounts.serializers.requests import ProofSerializer
from accounts.serializers.shared_fields import SharedFields
from accounts.serializers.strict import ModelText, StrictSerializer

NAME_MAX_LENGTH: Final = 30
URL_MAX_LENGTH: Final = 500
FLOW_MAX_LENGTH: Final = 2048
STATE_MAX_LENGTH: Final = 128
CODE_MAX_LENGTH: Final = 2048


class BeginningSerializer(StrictSerializer):
    """The body of `POST /auth/openid-connect/login`."""

    provider = serializers.CharField(max_length=NAME_MAX_LENGTH, write_only=True)
    redirect_uri = serializers.CharField(
        max_length=URL_MAX_LENGTH,
        required=False,
        write_only=True,
        help_text="One of those that the server knows; its first unless given.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Find the provider, and let it send users only where the setting says so.

        Raises: ValidationError.
        """
        provider = find_provider(attrs["provider"])
        if provider is None:
            raise serializers.ValidationError({"provider": "There is no such provider."})
        redirect_uri = attrs.get("redirect_uri", provider.redirect_uris[0])
        if redirect_uri not in provider.redirect_uris:
            raise serializers.ValidationError(
                {"redirect_uri": "Nobody may be sent there. Name one that the server knows."}
            )
        return attrs | {"provider": provider, "redirect_uri": redirect_uri}


class LinkBeginningSerializer(ProofSerializer, BeginningSerializer):
    """The body of `POST /auth/identities`."""


class CompletionSerializer(StrictSerializer):
    """The body of `POST /auth/identities/complete`."""

    flow = serializers.CharField(
        max_length=FLOW_MAX_LENGTH, write_only=True, help_text="From the beginning's answer."
    )
    state = serializers.CharField(
        max_length=STATE_MAX_LENGTH, write_only=True, help_text="What came back with the code."
    )
    code = serializers.CharField(
        max_length=CODE_MAX_LENGTH, write_only=True, help_text="What the provider sent back."
    )


class LoginCompletionSerializer(CompletionSerializer):
    """The body of `POST /auth/openid-connect/login/complete`."""

    first_name = ModelText("first_name", required=False, help_text="Where the provider names none.")
    last_name = ModelText("last_name", required=False)


class ProviderSerializer(SharedFields):
    """A provider, as a page of log-in shows it."""

    name = serializers.CharField()
    title = serializers.CharField(help_text="For a button.")
    redirect_uris = serializers.ListField(child=serializers.CharField())


class ProviderListSerializer(serializers.Serializer[Any]):
    """The providers, in the order in which they are to be shown."""

    results = ProviderSerializer(many=True)


class BegunSerializer(SharedFields):
    """Where the user goes next."""

    authorization_url = serializers.CharField(help_text="The provider's page, for a browser.")
    flow = serializers.CharField(
        help_text="To be kept by this client alone, and sent with the code within 10 minutes."
    )


class IdentitySerializer(serializers.ModelSerializer[Identity]):
    """One of one's own identities."""

    provider = serializers.SerializerMethodField(
        help_text="The provider's name; null if it isn't one any more."
    )

    class Meta:
        model = Identity
        fields = ("id", "provider", "issuer", "subject", "created_at", "last_used_at")
        read_only_fields = fields
        extra_kwargs = {"subject": {"help_text": "How the issuer names you."}}

    def get_provider(self, identity: Identity) -> str | None:
        """Return the name."""
        names = {provider.issuer: provider.name for provider in list_providers()}
        return names.get(identity.issuer)


class IdentityListSerializer(serializers.Serializer[Any]):
    """One's own identities."""

    results = IdentitySerializer(many=True)
