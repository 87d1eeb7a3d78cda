"""The operations that lead through a user's mailbox."""

from functools import partial
from typing import Final

from accounts.mail.tokens import INVALID
from accounts.schema.operations import Answer, Body, operation
from accounts.schema.people import EMAIL, MAIL_TOKEN, NEW_EMAIL, NEW_PASSWORD, PASSWORD
from accounts.schema.refusals import BUSY, NO_PROOF, TOO_MANY_ATTEMPTS
from accounts.serializers.requests import (
    ConfirmationSerializer,
    EmailChangeSerializer,
    EmailSerializer,
    PasswordResetSerializer,
)
from accounts.serializers.responses import DetailSerializer

TAG: Final = "Recovery"
ASKED: Final = "If this can be done, a message is on its way."
RESET: Final = "The password is changed. Log in with it."
CONFIRMED: Final = "The email is verified."
MAILED: Final = Answer(
    "The same, whether or not there is such an account.", DetailSerializer, {"detail": ASKED}, 202
)
open_operation: Final = partial(operation, is_open=True)

ASK_FOR_RESET: Final = open_operation(
    "ask_for_reset",
    TAG,
    "Ask for a new password",
    "Mail a token to the account with this email, if there is one. It is good for an hour and for "
    "one use.",
    TOO_MANY_ATTEMPTS,
    body=Body(EmailSerializer, {"email": EMAIL}, {"email": ["Enter a valid email address."]}),
    answer=MAILED,
)

RESET_PASSWORD: Final = open_operation(
    "reset_password",
    TAG,
    "Choose a new password",
    "Set a new password with the token from the message. Every session ends, and the email counts "
    "as verified.",
    TOO_MANY_ATTEMPTS,
    BUSY,
    body=Body(
        PasswordResetSerializer,
        {"token": MAIL_TOKEN, "new_password": NEW_PASSWORD},
        {"token": [INVALID]},
    ),
    answer=Answer("The password is changed.", DetailSerializer, {"detail": RESET}),
)

ASK_FOR_VERIFICATION: Final = operation(
    "ask_for_verification",
    TAG,
    "Verify one's email",
    "Mail a token to one's own email, unless it is verified. Registration does so, too.",
    TOO_MANY_ATTEMPTS,
    answer=MAILED,
)

CHANGE_EMAIL: Final = operation(
    "change_email",
    TAG,
    "Change one's email",
    "Mail a token to the new address, unless an account has it. Nothing changes until the token "
    "comes back; the former address is told then. A code of the second factor is needed where "
    "there is one.",
    NO_PROOF,
    TOO_MANY_ATTEMPTS,
    BUSY,
    body=Body(
        EmailChangeSerializer,
        {"new_email": NEW_EMAIL, "password": PASSWORD},
        {"password": ["This password is wrong."]},
    ),
    answer=MAILED,
)

CONFIRM_EMAIL: Final = open_operation(
    "confirm_email",
    TAG,
    "Confirm an email",
    "Verify the email that the token was sent to, and make it the account's. The token of a "
    "registration makes the account, with the password that was chosen there.",
    BUSY,
    TOO_MANY_ATTEMPTS,
    body=Body(ConfirmationSerializer, {"token": MAIL_TOKEN}, {"token": [INVALID]}),
    answer=Answer("The email is verified.", DetailSerializer, {"detail": CONFIRMED}),
)
