"""Pages of what happened to one account."""

from typing import Final, TypedDict

from accounts.models import User
from accounts.security_log.models import SecurityEvent

EXPORTED: Final = 2000
"""So many events are in an export; the rest is a matter of paging."""


class Page(TypedDict):
    """Some events, the last first."""

    results: list[SecurityEvent]
    next: int | None
    """`before` of the next page."""


def read_page(*, user_id: int, page_size: int, before: int | None = None) -> Page:
    """Return a page of the user's events. One query, by an index."""
    events = SecurityEvent.objects.filter(user_id=user_id).order_by("-pk")
    if before is not None:
        events = events.filter(pk__lt=before)
    # One more than are shown tells whether there is another page.
    found = list(events[: page_size + 1])
    shown = found[:page_size]
    return {"results": shown, "next": None if len(found) == len(shown) else shown[-1].pk}


def read_for_export(user: User) -> Page:
    """Return the last events of a user."""
    return read_page(user_id=user.pk, page_size=EXPORTED)
