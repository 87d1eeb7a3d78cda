"""`/auth/export`, `/auth/account` and the way back."""

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.leaving import schema
from accounts.leaving.closing import (
    ask_for_reopening,
    close_account,
    erase_account,
    reopen_account,
)
from accounts.leaving.export import export_account
from accounts.leaving.serializers import AccountClosingSerializer, ExportSerializer
from accounts.limits.rates import check_limit, check_mail_limit
from accounts.schema.recovery import ASKED
from accounts.serializers.requests import EmailSerializer, MailTokenSerializer, ProofSerializer
from accounts.services.proof import check_proof_of, take_proof
from accounts.tokens.viewer import get_session_id, get_viewer
from accounts.views.sessions import OpenView


class ExportView(APIView):
    """`POST /auth/export`."""

    @schema.EXPORT
    def post(self, request: Request) -> Response:
        """Return all that is kept of one's account."""
        body = ProofSerializer.read(request)
        user_id = get_viewer(request).pk
        with take_proof(request, body) as proof:
            check_proof_of(user_id=user_id, proof=proof)
            check_limit(request, "export", account=user_id)
            context = {"current": get_session_id(request)}
            answer = ExportSerializer(export_account(user_id=user_id), context=context).data
        return Response(answer)


class AccountView(APIView):
    """`DELETE /auth/account`."""

    @schema.CLOSE_ACCOUNT
    def delete(self, request: Request) -> Response:
        """Close one's account, or erase it; every token dies."""
        body = AccountClosingSerializer.read(request)
        leave = erase_account if body["erase"] else close_account
        with take_proof(request, body) as proof:
            leave(user_id=get_viewer(request).pk, proof=proof)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReopenRequestView(OpenView):
    """`POST /auth/reopen-account`."""

    @schema.ASK_FOR_REOPENING
    def post(self, request: Request) -> Response:
        """Mail a token that opens a closed account; the answer is the same for every email."""
        email = EmailSerializer.read(request)["email"]
        check_mail_limit(request, "reopen", recipient=email)
        ask_for_reopening(email=email)
        return Response({"detail": ASKED}, status=status.HTTP_202_ACCEPTED)


class ReopenView(OpenView):
    """`POST /auth/reopen-account/confirm`."""

    @schema.REOPEN_ACCOUNT
    def post(self, request: Request) -> Response:
        """Open a closed account again with the token from the message."""
        body = MailTokenSerializer.read(request)
        check_limit(request, "confirm")
        reopen_account(**body)
        return Response({"detail": schema.REOPENED})
