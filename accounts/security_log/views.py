"""`/auth/events`: what happened to one's own account."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.security_log import schema
from accounts.security_log.pages import read_page
from accounts.security_log.serializers import EventPageSerializer, EventQuerySerializer
from accounts.tokens.viewer import get_viewer


class EventsView(APIView):
    """`GET /auth/events`."""

    @schema.LIST_EVENTS
    def get(self, request: Request) -> Response:
        """Return a page of one's own events, the last first."""
        query = EventQuerySerializer.read(request)
        page = read_page(user_id=get_viewer(request).pk, **query)
        return Response(EventPageSerializer(page).data)
