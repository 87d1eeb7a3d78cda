"""`/auth/second-factor` and the second step of a log-in."""

from contextlib import AbstractContextManager
from typing import Final

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.clients.devices import get_device
from accounts.limits.rates import check_limit
from accounts.second_factor import passwordless, schema
from accounts.second_factor.challenges import read_challenge
from accounts.second_factor.errors import ChallengeNotValid, NoSuchPasskey
from accounts.second_factor.serializers import (
    ChallengeAndCodeSerializer,
    ChallengeAndPasskeySerializer,
    ChallengeSerializer,
    CodeSerializer,
    FactorsSerializer,
    NewPasskeySerializer,
    PasskeySerializer,
    PasswordlessLoginSerializer,
)
from accounts.second_factor.services import (
    LIMIT,
    add_passkey,
    begin_passkey,
    begin_passkey_login,
    begin_set_up,
    begin_set_up_at_login,
    confirm_set_up,
    describe_factors,
    finish_login,
    finish_passkey_login,
    remove_passkey,
    renew_recovery_codes,
    turn_off,
)
from accounts.serializers.requests import ProofSerializer
from accounts.services.proof import Proof, take_proof
from accounts.tokens.viewer import get_viewer
from accounts.views.sessions import OpenView, describe_login

LOGIN_LIMIT: Final = "login"
"""The action of AUTH_LIMITS that log-ins by a passkey alone count as."""


class SecondFactorView(APIView):
    """`GET` and `DELETE /auth/second-factor`."""

    @schema.GET_FACTORS
    def get(self, request: Request) -> Response:
        """Return what one's account has."""
        return Response(FactorsSerializer(describe_factors(get_viewer(request))).data)

    @schema.TURN_OFF
    def delete(self, request: Request) -> Response:
        """Remove one's authenticator app and recovery codes."""
        with _take_proof(request) as proof:
            turn_off(user_id=get_viewer(request).pk, proof=proof)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SetUpView(APIView):
    """`POST /auth/second-factor/app`."""

    @schema.BEGIN_SET_UP
    def post(self, request: Request) -> Response:
        """Return a new secret, which counts once it is confirmed."""
        with _take_proof(request) as proof:
            set_up = begin_set_up(user_id=get_viewer(request).pk, proof=proof)
        return Response(set_up._asdict())


class ConfirmationView(APIView):
    """`POST /auth/second-factor/app/confirm`."""

    @schema.CONFIRM_SET_UP
    def post(self, request: Request) -> Response:
        """Switch the app on by its first code; return the recovery codes."""
        body = CodeSerializer.read(request)
        user_id = get_viewer(request).pk
        # Apart from those at log-ins, which a stolen access token must not use up.
        check_limit(request, LIMIT, account=f"set-up of {user_id}")
        return Response({"recovery_codes": confirm_set_up(user_id=user_id, **body)})


class RecoveryCodesView(APIView):
    """`POST /auth/second-factor/recovery-codes`."""

    @schema.RENEW_CODES
    def post(self, request: Request) -> Response:
        """Return new recovery codes in place of the old ones."""
        with _take_proof(request) as proof:
            codes = renew_recovery_codes(user_id=get_viewer(request).pk, proof=proof)
        return Response({"recovery_codes": codes})


class LoginStepView(OpenView):
    """`POST /auth/login/second-factor`."""

    @schema.FINISH_LOGIN
    def post(self, request: Request) -> Response:
        """Exchange a challenge and a code for tokens."""
        body = ChallengeAndCodeSerializer.read(request)
        _limit_challenged(request, body["challenge"])
        login = finish_login(device=get_device(request), **body)
        answer = describe_login(login.user, login.tokens)
        if login.recovery_codes is not None:
            answer["recovery_codes"] = login.recovery_codes
        return Response(answer)


class LoginSetUpView(OpenView):
    """`POST /auth/login/second-factor/app`."""

    @schema.SET_UP_AT_LOGIN
    def post(self, request: Request) -> Response:
        """Return a new secret to a user who must have one to log in."""
        body = ChallengeSerializer.read(request)
        _limit_challenged(request, body["challenge"])
        return Response(begin_set_up_at_login(**body)._asdict())


class PasskeyOptionsView(APIView):
    """`POST /auth/second-factor/passkeys/options`."""

    @schema.BEGIN_PASSKEY
    def post(self, request: Request) -> Response:
        """Return what a browser needs to know to make a passkey."""
        with _take_proof(request) as proof:
            begun = begin_passkey(user_id=get_viewer(request).pk, proof=proof)
        return Response(begun._asdict())


class PasskeysView(APIView):
    """`POST /auth/second-factor/passkeys`."""

    @schema.ADD_PASSKEY
    def post(self, request: Request) -> Response:
        """Add the passkey that the browser has made."""
        body = NewPasskeySerializer.read(request)
        user_id = get_viewer(request).pk
        check_limit(request, LIMIT, account=f"set-up of {user_id}")
        passkey = add_passkey(user_id=user_id, **body)
        return Response(PasskeySerializer(passkey).data, status=status.HTTP_201_CREATED)


class PasskeyView(APIView):
    """`DELETE /auth/second-factor/passkeys/{id}`."""

    @schema.REMOVE_PASSKEY
    def delete(self, request: Request, passkey_id: int) -> Response:
        """Remove one of one's own passkeys."""
        user_id = get_viewer(request).pk
        with _take_proof(request) as proof:
            is_removed = remove_passkey(user_id=user_id, passkey_id=passkey_id, proof=proof)
        if not is_removed:
            raise NoSuchPasskey
        return Response(status=status.HTTP_204_NO_CONTENT)


class PasswordlessOptionsView(OpenView):
    """`POST /auth/login/passkey/options`."""

    @schema.BEGIN_PASSWORDLESS_LOGIN
    def post(self, request: Request) -> Response:
        """Return what a browser needs to know to log in by any passkey."""
        check_limit(request, LOGIN_LIMIT)
        return Response(passwordless.begin()._asdict())


class PasswordlessView(OpenView):
    """`POST /auth/login/passkey`."""

    @schema.FINISH_PASSWORDLESS_LOGIN
    def post(self, request: Request) -> Response:
        """Exchange a passkey's answer for tokens."""
        body = PasswordlessLoginSerializer.read(request)
        # By address alone: nobody guesses a signature.
        check_limit(request, LOGIN_LIMIT)
        user, tokens = passwordless.log_in(device=get_device(request), **body)
        return Response(describe_login(user, tokens))


class LoginPasskeyOptionsView(OpenView):
    """`POST /auth/login/second-factor/passkey/options`."""

    @schema.BEGIN_PASSKEY_LOGIN
    def post(self, request: Request) -> Response:
        """Return what a browser needs to know to show a passkey."""
        body = ChallengeSerializer.read(request)
        check_limit(request, LIMIT)
        return Response({"options": begin_passkey_login(**body)})


class LoginPasskeyView(OpenView):
    """`POST /auth/login/second-factor/passkey`."""

    @schema.FINISH_PASSKEY_LOGIN
    def post(self, request: Request) -> Response:
        """Exchange a challenge and a passkey's answer for tokens."""
        body = ChallengeAndPasskeySerializer.read(request)
        # By address alone: nobody guesses a signature.
        check_limit(request, LIMIT)
        login = finish_passkey_login(device=get_device(request), **body)
        return Response(describe_login(login.user, login.tokens))


def _take_proof(request: Request) -> AbstractContextManager[Proof]:
    # Of a body that holds nothing else.
    body = ProofSerializer.read(request)
    return take_proof(request, body)


def _limit_challenged(request: Request, challenge: str) -> None:
    # Of a challenge that isn't ours only the address counts.
    try:
        user_id = read_challenge(challenge).user_id
    except ChallengeNotValid:
        check_limit(request, LIMIT)
        raise
    check_limit(request, LIMIT, account=user_id)
