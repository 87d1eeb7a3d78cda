"""`/auth/openid-connect` and `/auth/identities`."""

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.clients.devices import get_device
from accounts.limits.rates import check_limit
from accounts.limits.workload import slow_work
from accounts.openid_connect import schema
from accounts.openid_connect.errors import NoSuchIdentity
from accounts.openid_connect.providers import FORM_POST, find_provider, list_providers
from accounts.openid_connect.serializers import (
    BeginningSerializer,
    CompletionSerializer,
    IdentityListSerializer,
    IdentitySerializer,
    LinkBeginningSerializer,
    LoginCompletionSerializer,
    ProviderListSerializer,
)
from accounts.openid_connect.services import (
    Names,
    begin,
    check_may_link,
    complete_link,
    complete_login,
    list_identities,
    unlink,
)
from accounts.serializers.requests import ProofSerializer
from accounts.services.proof import check_proof_of, take_proof
from accounts.tokens.viewer import get_viewer
from accounts.views.sessions import OpenView, describe_login

LIMIT = "provider"
"""The action of AUTH_LIMITS that requests count as which lead to a provider."""
PASSED_ON = ("code", "state", "user", "error")
PASSED_MAX_LENGTH = 2048


class ProvidersView(OpenView):
    """`GET /auth/openid-connect`."""

    @schema.LIST_PROVIDERS
    def get(self, _request: Request) -> Response:
        """Return the providers that one can log in with."""
        return Response(ProviderListSerializer({"results": list_providers()}).data)


class LoginView(OpenView):
    """`POST /auth/openid-connect/login`."""

    @schema.BEGIN_LOGIN
    def post(self, request: Request) -> Response:
        """Begin a log-in."""
        body = BeginningSerializer.read(request)
        check_limit(request, LIMIT)
        with slow_work():
            return Response(begin(**body)._asdict())


class LoginCompletionView(OpenView):
    """`POST /auth/openid-connect/login/complete`."""

    @schema.COMPLETE_LOGIN
    def post(self, request: Request) -> Response:
        """Exchange the provider's code for tokens of ours."""
        body = LoginCompletionSerializer.read(request)
        names = Names(body.pop("first_name", ""), body.pop("last_name", ""))
        check_limit(request, LIMIT)
        with slow_work():
            user, tokens = complete_login(
                names=names,
                device=get_device(request),
                before_registration=lambda: check_limit(request, "register"),
                **body,
            )
        return Response(describe_login(user, tokens))


class IdentitiesView(APIView):
    """`GET` and `POST /auth/identities`."""

    @schema.LIST_IDENTITIES
    def get(self, request: Request) -> Response:
        """Return one's own identities."""
        identities = list_identities(user_id=get_viewer(request).pk)
        return Response(IdentityListSerializer({"results": identities}).data)

    @schema.BEGIN_LINK
    def post(self, request: Request) -> Response:
        """Begin to link a provider to one's account."""
        body = LinkBeginningSerializer.read(request)
        user_id = get_viewer(request).pk
        with take_proof(request, body) as proof:
            check_proof_of(user_id=user_id, proof=proof)
            check_may_link(get_viewer(request))
            check_limit(request, LIMIT, account=user_id)
            return Response(begin(user_id=user_id, **body)._asdict())


class LinkCompletionView(APIView):
    """`POST /auth/identities/complete`."""

    @schema.COMPLETE_LINK
    def post(self, request: Request) -> Response:
        """Add the identity that the provider's code stands for."""
        body = CompletionSerializer.read(request)
        user_id = get_viewer(request).pk
        check_limit(request, LIMIT, account=user_id)
        with slow_work():
            identity = complete_link(user_id=user_id, **body)
        return Response(IdentitySerializer(identity).data, status=status.HTTP_201_CREATED)


class IdentityView(APIView):
    """`DELETE /auth/identities/{id}`."""

    @schema.UNLINK
    def delete(self, request: Request, identity_id: int) -> Response:
        """Remove one of one's own identities."""
        body = ProofSerializer.read(request)
        user_id = get_viewer(request).pk
        with take_proof(request, body) as proof:
            is_removed = unlink(user_id=user_id, identity_id=identity_id, proof=proof)
        if not is_removed:
            raise NoSuchIdentity
        return Response(status=status.HTTP_204_NO_CONTENT)


@csrf_exempt
@require_POST
def pass_on(request: HttpRequest, provider: str) -> HttpResponse:
    """Send a browser that a provider lets post its answer (`form_post`) on to our page with it.

    In the URL's fragment, which no server sees. Nothing is read or kept: without its `flow`, the
    answer is worth nothing.
    """
    found = find_provider(provider)
    if found is None or found.response_mode != FORM_POST:
        raise Http404
    values = {name: request.POST.get(name, "")[:PASSED_MAX_LENGTH] for name in PASSED_ON}
    answer = urlencode({name: value for name, value in values.items() if value})
    response = HttpResponseRedirect(f"{found.return_url}#{answer}")
    # Otherwise a browser might post it there.
    response.status_code = status.HTTP_303_SEE_OTHER
    return response
