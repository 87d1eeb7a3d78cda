"""`/auth/`: what leads through a user's mailbox."""

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.limits.rates import check_limit, check_mail_limit
from accounts.limits.workload import slow_work
from accounts.registrations.services import finish_registration, is_registration_token
from accounts.schema import recovery as schema
from accounts.serializers.requests import (
    ConfirmationSerializer,
    EmailChangeSerializer,
    EmailSerializer,
    PasswordResetSerializer,
)
from accounts.services.proof import check_proof_of, take_proof
from accounts.services.recovery import (
    ask_for_confirmation,
    ask_for_new_email,
    ask_for_reset,
    confirm_email,
    reset_password,
)
from accounts.tokens.viewer import get_viewer
from accounts.views.sessions import OpenView


class ResetRequestView(OpenView):
    """`POST /auth/reset-password`."""

    @schema.ASK_FOR_RESET
    def post(self, request: Request) -> Response:
        """Mail a token for a new password; the answer is the same for every email."""
        email = EmailSerializer.read(request)["email"]
        check_mail_limit(request, "reset", recipient=email)
        ask_for_reset(email=email)
        return _answer(schema.ASKED, status.HTTP_202_ACCEPTED)


class ResetView(OpenView):
    """`POST /auth/reset-password/confirm`."""

    @schema.RESET_PASSWORD
    def post(self, request: Request) -> Response:
        """Set a new password with the token from the message; every session ends."""
        body = PasswordResetSerializer.read(request)
        with slow_work():
            check_limit(request, "confirm")
            reset_password(**body)
        return _answer(schema.RESET, status.HTTP_200_OK)


class VerificationView(APIView):
    """`POST /auth/verify-email`."""

    @schema.ASK_FOR_VERIFICATION
    def post(self, request: Request) -> Response:
        """Mail a token that verifies one's own email."""
        user = get_viewer(request)
        check_mail_limit(request, "verify", recipient=user.email)
        ask_for_confirmation(user_id=user.pk)
        return _answer(schema.ASKED, status.HTTP_202_ACCEPTED)


class EmailChangeView(APIView):
    """`POST /auth/change-email`."""

    @schema.CHANGE_EMAIL
    def post(self, request: Request) -> Response:
        """Mail a token to the new address; the answer is the same if somebody has it."""
        body = EmailChangeSerializer.read(request)
        new_email, user_id = body["new_email"], get_viewer(request).pk
        with take_proof(request, body) as proof:
            check_proof_of(user_id=user_id, proof=proof)
        check_mail_limit(request, "change", recipient=new_email)
        ask_for_new_email(user_id=user_id, new_email=new_email)
        return _answer(schema.ASKED, status.HTTP_202_ACCEPTED)


class EmailConfirmationView(OpenView):
    """`POST /auth/confirm-email`."""

    @schema.CONFIRM_EMAIL
    def post(self, request: Request) -> Response:
        """Verify the email that the token was sent to; of a registration, make the account."""
        body = ConfirmationSerializer.read(request)
        check_limit(request, "confirm")
        token = body["token"]
        if is_registration_token(token):
            with slow_work():
                finish_registration(token=token, password=body.get("password"))
        else:
            confirm_email(token=token)
        return _answer(schema.CONFIRMED, status.HTTP_200_OK)


def _answer(detail: str, status_code: int) -> Response:
    return Response({"detail": detail}, status=status_code)
