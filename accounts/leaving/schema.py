"""The operations on leaving, and on coming back."""

from functools import partial
from typing import Any, Final

from accounts.hooks import EXPORT_SECTIONS
from accounts.leaving.serializers import (
    AccountClosingSerializer,
    ExportSerializer,
    OwnPasswordSerializer,
)
from accounts.mail.tokens import INVALID
from accounts.schema.operations import Answer, Body, operation
from accounts.schema.people import EMAIL, MAIL_TOKEN, PASSWORD, SESSION, USER
from accounts.schema.recovery import MAILED
from accounts.schema.refusals import BUSY, NO_PROOF, TOO_MANY_ATTEMPTS
from accounts.serializers.requests import EmailSerializer, MailTokenSerializer
from accounts.serializers.responses import DetailSerializer

TAG: Final = "Leaving"
REOPENED: Final = "The account is open again. Log in as before."
WRONG_PASSWORD: Final = {"password": ["This password is wrong."]}
EXPORTED: Final[dict[str, Any]] = {
    "exported_at": USER["updated_at"],
    "profile": USER,
    "last_login": SESSION["created_at"],
    "sessions": [SESSION],
    **{name: section.example for name, section in sorted(EXPORT_SECTIONS.items())},
}
open_operation: Final = partial(operation, is_open=True)

EXPORT: Final = operation(
    "export_account",
    TAG,
    "Take one's data along",
    "Return all that is kept of the account, without secrets: profile, sessions, API keys, second "
    "factors, and what happened to it.",
    NO_PROOF,
    TOO_MANY_ATTEMPTS,
    BUSY,
    body=Body(OwnPasswordSerializer, {"password": PASSWORD}, WRONG_PASSWORD),
    answer=Answer("The data.", ExportSerializer, EXPORTED),
)

CLOSE_ACCOUNT: Final = operation(
    "close_account",
    TAG,
    "Close one's account",
    "Deactivate the account and delete its picture; every token dies at once. For 30 days, unless "
    "the server says otherwise, a message can open it again; then it is erased. With `erase` that "
    "is done at once: nothing brings it back, and a code of the second factor is needed where "
    "there is one.",
    NO_PROOF,
    TOO_MANY_ATTEMPTS,
    BUSY,
    body=Body(AccountClosingSerializer, {"password": PASSWORD}, WRONG_PASSWORD),
    answer=Answer("The account is closed, or erased.", None, status_code=204),
)

ASK_FOR_REOPENING: Final = open_operation(
    "ask_for_reopening",
    TAG,
    "Ask for one's closed account",
    "Mail a token to the closed account with this email, if there is one.",
    TOO_MANY_ATTEMPTS,
    body=Body(EmailSerializer, {"email": EMAIL}, {"email": ["Enter a valid email address."]}),
    answer=MAILED,
)

REOPEN_ACCOUNT: Final = open_operation(
    "reopen_account",
    TAG,
    "Open one's closed account",
    "Open it again with the token from the message, as it was but for the picture. Log in as "
    "before.",
    TOO_MANY_ATTEMPTS,
    body=Body(MailTokenSerializer, {"token": MAIL_TOKEN}, {"token": [INVALID]}),
    answer=Answer("The account is open.", DetailSerializer, {"detail": REOPENED}),
)
