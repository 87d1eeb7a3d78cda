"""What is known of the device behind a session."""

from typing import Final, NamedTuple

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.clients.addresses import get_address
from accounts.models import USER_AGENT_MAX_LENGTH


class Device(NamedTuple):
    """A client, as it describes itself, and its address."""

    user_agent: str = ""
    address: str | None = None


UNKNOWN_DEVICE: Final = Device()


def get_device(request: HttpRequest | Request) -> Device:
    """Return the client's device: what it says of itself, without what can't be shown."""
    says = request.META.get("HTTP_USER_AGENT", "")[:USER_AGENT_MAX_LENGTH]
    visible = "".join(character for character in says if character.isprintable())
    return Device(visible, get_address(request) or None)
