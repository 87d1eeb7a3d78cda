"""`/auth/events`: what happened to one's own account."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.security_log import schema
from accounts.security_log.models import SecurityEvent
from accounts.security_log.serializers import EventPageSerializer, EventQuerySerializer
from accounts.viewer import get_viewer


class EventsView(APIView):
    """`GET /auth/events`."""

    @schema.LIST_EVENTS
    def get(self, request: Request) -> Response:
        """Return a page of one's own events, the last first. One query, by an index."""
        query = EventQuerySerializer.read(request)
        events = SecurityEvent.objects.filter(user_id=get_viewer(request).pk).order_by("-pk")
        if "before" in query:
            events = events.filter(pk__lt=query["before"])
        # One more than are shown tells whether there is another page.
        found = list(events[: query["page_size"] + 1])
        shown = found[: query["page_size"]]
        is_last = len(found) == len(shown)
        page = {"results": shown, "next": None if is_last else shown[-1].pk}
        return Response(EventPageSerializer(page).data)
