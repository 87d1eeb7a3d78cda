"""The operation on one's own events."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

from accounts.schema.examples import CREATED_AT, SESSION
from accounts.schema.operations import Answer, Parameters, operation
from accounts.security_log.serializers import EventPageSerializer, EventQuerySerializer

EVENT: Final[dict[str, Any]] = {
    "id": 4711,
    "at": CREATED_AT,
    "event": "session_started",
    "by_admin": False,
    "address": SESSION["address"],
    "user_agent": SESSION["user_agent"],
    "about": SESSION["id"],
}
PAGE: Final = {"results": [EVENT], "next": EVENT["id"]}
LIST_EVENTS: Final = operation(
    "list_events",
    "Account",
    "List what happened to one's account",
    "Return a page of one's own events, the last first: log-ins and failed ones, sessions that "
    "ended, keys, changes of password, email and privileges.",
    parameters=Parameters(
        [EventQuerySerializer],
        [OpenApiExample("The first page", 20, parameter_only=("page_size", "query"))],
        {"page_size": ["Ensure this value is less than or equal to 100."]},
    ),
    answer=Answer("The page.", EventPageSerializer, PAGE),
)
