"""`/auth/export`, `/auth/account` and the way back."""

from typing import Any

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
from accounts.leaving.serializers import (
    AccountClosingSerializer,
    ExportSerializer,
    OwnPasswordSerializer,
)
from accounts.limits.rates import check_limit, check_mail_limit, make_code_counter
from accounts.limits.workload import slow_work
from accounts.schema.recovery import ASKED
from accounts.serializers.requests import EmailSerializer, MailTokenSerializer
from accounts.tokens.claims import SESSION_CLAIM
from accounts.tokens.viewer import get_viewer
from accounts.views.proof import ask_for_proof
from accounts.views.sessions import OpenView


class ExportView(APIView):
    """`POST /auth/export`."""

    @schema.EXPORT
    def post(self, request: Request) -> Response:
        """Return all that is kept of one's account."""
        body = OwnPasswordSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        claims: Any = request.auth
        user_id = get_viewer(request).pk
        ask_for_proof(request, body.validated_data.get("password"))
        with slow_work():
            check_limit(request, "export", account=user_id)
            context = {"current": claims.get(SESSION_CLAIM)}
            answer = ExportSerializer(export_account(user_id=user_id), context=context).data
        return Response(answer)


class AccountView(APIView):
    """`DELETE /auth/account`."""

    @schema.CLOSE_ACCOUNT
    def delete(self, request: Request) -> Response:
        """Close one's account, or erase it; every token dies."""
        body = AccountClosingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user_id, code = get_viewer(request).pk, body.validated_data["code"]
        ask_for_proof(request, body.validated_data.get("password"))
        if not body.validated_data["erase"]:
            close_account(user_id=user_id)
            return Response(status=status.HTTP_204_NO_CONTENT)
        before_code = make_code_counter(request, user_id=user_id)
        erase_account(user_id=user_id, code=code, before_code=before_code)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReopenRequestView(OpenView):
    """`POST /auth/reopen-account`."""

    @schema.ASK_FOR_REOPENING
    def post(self, request: Request) -> Response:
        """Mail a token that opens a closed account; the answer is the same for every email."""
        body = EmailSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        email = body.validated_data["email"]
        check_mail_limit(request, "reopen", recipient=email)
        ask_for_reopening(email=email)
        return Response({"detail": ASKED}, status=status.HTTP_202_ACCEPTED)


class ReopenView(OpenView):
    """`POST /auth/reopen-account/confirm`."""

    @schema.REOPEN_ACCOUNT
    def post(self, request: Request) -> Response:
        """Open a closed account again with the token from the message."""
        body = MailTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        check_limit(request, "confirm")
        reopen_account(**body.validated_data)
        return Response({"detail": schema.REOPENED})
