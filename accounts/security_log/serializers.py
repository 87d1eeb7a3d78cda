"""Serializers of this app's requests and responses."""

from typing import Any, Final

from rest_framework import serializers

from accounts.columns.fields import LARGEST_INTEGER
from accounts.security_log.models import SecurityEvent
from accounts.serializers.strict import QuerySerializer

PAGE_SIZE_DEFAULT: Final = 20
PAGE_SIZE_MAX: Final = 100


class EventQuerySerializer(QuerySerializer):
    """The query string of `GET /auth/events`."""

    before = serializers.IntegerField(
        min_value=1,
        max_value=LARGEST_INTEGER,
        required=False,
        help_text="The `next` of the page before.",
    )
    page_size = serializers.IntegerField(
        min_value=1,
        max_value=PAGE_SIZE_MAX,
        default=PAGE_SIZE_DEFAULT,
        help_text="How many events are on a page.",
    )


class EventSerializer(serializers.ModelSerializer[SecurityEvent]):
    """Something that happened to the account."""

    by_admin = serializers.SerializerMethodField(help_text="Whether somebody else did it.")

    class Meta:
        model = SecurityEvent
        fields = ("id", "at", "event", "by_admin", "address", "user_agent", "about")
        read_only_fields = fields
        extra_kwargs = {
            "address": {"help_text": "Where it came from; null if it isn't known."},
            "user_agent": {"help_text": "What the client called itself."},
            "about": {"help_text": "The session's or key's id, or what was changed."},
        }

    def get_by_admin(self, event: SecurityEvent) -> bool:
        """Return whether it was an admin."""
        return event.actor_id is not None

    def to_representation(self, instance: SecurityEvent) -> Any:
        """Leave out where an admin was."""
        shown = super().to_representation(instance)
        if instance.actor_id is not None:
            shown |= {"address": None, "user_agent": ""}
        return shown


class EventPageSerializer(serializers.Serializer[Any]):
    """A page of one's own events, the last first."""

    results = EventSerializer(many=True)
    next = serializers.IntegerField(
        allow_null=True, help_text="`before` of the next page; null on the last."
    )
