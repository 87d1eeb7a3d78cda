"""Adding an event to the log."""

from accounts.security_log.models import ABOUT_MAX_LENGTH, Event, SecurityEvent
from accounts.security_log.origin import find_origin


def record(event: Event, *, user_id: int | None, about: str = "") -> None:
    """Add an event, with the address and device of the request under way. One statement.

    Call it in the transaction of what it tells of. `about` is shown to the user: no secret.
    """
    device, actor_id = find_origin()
    SecurityEvent.objects.create(
        event=event,
        user_id=user_id,
        actor_id=None if actor_id == user_id else actor_id,
        address=device.address,
        user_agent=device.user_agent,
        about=about[:ABOUT_MAX_LENGTH],
    )
