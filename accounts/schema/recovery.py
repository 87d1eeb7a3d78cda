"""The operations that lead through a user's mailbox."""

from typing import Final

from accounts.mail.tokens import INVALID
from accounts.schema.examples import EMAIL, MAIL_TOKEN, NEW_EMAIL, NEW_PASSWORD, PASSWORD
from accounts.schema.operations import Body, open_operation, operation, sentence
from accounts.schema.refusals import (
    PROVEN,
    SLOW,
    TOO_MANY_ATTEMPTS,
    WRONG_PASSWORD,
)
from accounts.serializers.requests import (
    ConfirmationSerializer,
    EmailChangeSerializer,
    EmailSerializer,
    PasswordResetSerializer,
)

TAG: Final = "Recovery"
ASKED: Final = "If this can be done, a message is on its way."
RESET: Final = "The password is changed. Log in with it."
CONFIRMED: Final = "The email is verified."
MAILED: Final = sentence("The same, whether or not there is such an account.", ASKED, 202)
BY_EMAIL: Final = Body(
    EmailSerializer, {"email": EMAIL}, {"email": ["Enter a valid email address."]}
)
INVALID_TOKEN: Final = {"token": [INVALID]}

ASK_FOR_RESET: Final = open_operation(
    "ask_for_reset",
    TAG,
    "Ask for a new password",
    "Mail a token to the account with this email, if there is one. It is good for an hour and for "
    "one use.",
    TOO_MANY_ATTEMPTS,
    body=BY_EMAIL,
    answer=MAILED,
)

RESET_PASSWORD: Final = open_operation(
    "reset_password",
    TAG,
    "Choose a new password",
    "Set a new password with the token from the message. Every session ends, and the email counts "
    "as verified.",
    SLOW,
    body=Body(
        PasswordResetSerializer,
        {"token": MAIL_TOKEN, "new_password": NEW_PASSWORD},
        INVALID_TOKEN,
    ),
    answer=sentence("The password is changed.", RESET),
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
    PROVEN,
    body=Body(
        EmailChangeSerializer,
        {"new_email": NEW_EMAIL, "password": PASSWORD},
        WRONG_PASSWORD,
    ),
    answer=MAILED,
)

CONFIRM_EMAIL: Final = open_operation(
    "confirm_email",
    TAG,
    "Confirm an email",
    "Verify the email that the token was sent to, and make it the account's. The token of a "
    "registration makes the account, with the password that was chosen there.",
    SLOW,
    body=Body(ConfirmationSerializer, {"token": MAIL_TOKEN}, INVALID_TOKEN),
    answer=sentence("The email is verified.", CONFIRMED),
)
