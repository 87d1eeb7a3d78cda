"""The operations on leaving, and on coming back."""

from typing import Any, Final

from accounts.hooks import EXPORT_SECTIONS
from accounts.leaving.serializers import AccountClosingSerializer, ExportSerializer
from accounts.schema.examples import MAIL_TOKEN, PASSWORD, SESSION, USER
from accounts.schema.operations import Answer, Body, no_content, open_operation, operation, sentence
from accounts.schema.recovery import BY_EMAIL, INVALID_TOKEN, MAILED
from accounts.schema.refusals import (
    PROVEN,
    TOO_MANY_ATTEMPTS,
    WRONG_PASSWORD,
)
from accounts.serializers.requests import MailTokenSerializer, ProofSerializer

TAG: Final = "Leaving"
REOPENED: Final = "The account is open again. Log in as before."
EXPORTED: Final[dict[str, Any]] = {
    "exported_at": USER["updated_at"],
    "profile": USER,
    "last_login": SESSION["created_at"],
    "sessions": [SESSION],
    **{name: section.example for name, section in sorted(EXPORT_SECTIONS.items())},
}

EXPORT: Final = operation(
    "export_account",
    TAG,
    "Take one's data along",
    "Return all that is kept of the account, without secrets: profile, sessions, API keys, second "
    "factors, and what happened to it. A code of the second factor is needed where there is one.",
    PROVEN,
    body=Body(ProofSerializer, {"password": PASSWORD}, WRONG_PASSWORD),
    answer=Answer("The data.", ExportSerializer, EXPORTED),
)

CLOSE_ACCOUNT: Final = operation(
    "close_account",
    TAG,
    "Close one's account",
    "Deactivate the account and delete its picture; every token dies at once. For 30 days, unless "
    "the server says otherwise, a message can open it again; then it is erased. With `erase` that "
    "is done at once, and nothing brings it back. A code of the second factor is needed where "
    "there is one.",
    PROVEN,
    body=Body(AccountClosingSerializer, {"password": PASSWORD}, WRONG_PASSWORD),
    answer=no_content("The account is closed, or erased."),
)

ASK_FOR_REOPENING: Final = open_operation(
    "ask_for_reopening",
    TAG,
    "Ask for one's closed account",
    "Mail a token to the closed account with this email, if there is one.",
    TOO_MANY_ATTEMPTS,
    body=BY_EMAIL,
    answer=MAILED,
)

REOPEN_ACCOUNT: Final = open_operation(
    "reopen_account",
    TAG,
    "Open one's closed account",
    "Open it again with the token from the message, as it was but for the picture. Log in as "
    "before.",
    TOO_MANY_ATTEMPTS,
    body=Body(MailTokenSerializer, {"token": MAIL_TOKEN}, INVALID_TOKEN),
    answer=sentence("The account is open.", REOPENED),
)
