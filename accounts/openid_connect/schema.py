"""The operations on providers and identities in OpenAPI."""

from typing import Any, Final

from accounts.errors import (
    AccountGone,
    Busy,
    DatabaseUnavailable,
    RecentLoginRequired,
)
from accounts.openid_connect.errors import (
    AccountExists,
    EmailNotVerified,
    FlowNotValid,
    IdentityTaken,
    LastWayIn,
    NoSuchIdentity,
    OwnEmailNotVerified,
    ProviderLinked,
    ProviderRefused,
    ProviderUnavailable,
)
from accounts.openid_connect.serializers import (
    BeginningSerializer,
    BegunSerializer,
    CompletionSerializer,
    IdentityListSerializer,
    IdentitySerializer,
    LinkBeginningSerializer,
    LoginCompletionSerializer,
    ProviderListSerializer,
)
from accounts.schema.examples import CREATED_AT, PASSWORD
from accounts.schema.operations import (
    Answer,
    Body,
    Parameters,
    no_content,
    open_operation,
    operation,
    path_parameter,
)
from accounts.schema.refusals import (
    PROVEN,
    TOO_MANY_ATTEMPTS,
    UNAUTHENTICATED_EXAMPLES,
    UNFINISHED_LOGINS,
    WRONG_PASSWORD,
    missing,
    refuse,
)
from accounts.schema.sessions import LOGGED_IN
from accounts.serializers.requests import ProofSerializer
from accounts.serializers.responses import UnfinishedLoginSerializer

TAG: Final = "Providers"

ISSUER: Final = "https://accounts.google.com"
REDIRECT_URI: Final = "https://www.example.com/signed-in"
PROVIDER: Final = {"name": "google", "title": "Google", "redirect_uris": [REDIRECT_URI]}
# An id, the provider, where it leads and whose it is; the time, and a signature.
FLOW: Final = "WyJhZGEiLCJnb29nbGUiLCJodHRwcyIsMF0:1w9aRt:c2lnbmF0dXJl"
BEGUN: Final = {"authorization_url": f"{ISSUER}/o/oauth2/v2/auth?response_type=code", "flow": FLOW}
COMPLETION: Final = {"flow": FLOW, "state": "c3RhdGU", "code": "Y29kZQ"}
IDENTITY: Final[dict[str, Any]] = {
    "id": 3,
    "provider": "google",
    "issuer": ISSUER,
    "subject": "110169484474386276334",
    "created_at": CREATED_AT,
    "last_used_at": None,
}
IDENTITY_ID: Final = path_parameter("identity_id", "The identity's id.", 3)
NO_PROVIDER: Final = {"provider": ["There is no such provider."]}
NO_CODE: Final = missing("code")
UNREACHED: Final = refuse(
    "The provider or the database can't be reached, or too much is going on, just now.",
    DatabaseUnavailable,
    Busy,
    ProviderUnavailable,
)

LIST_PROVIDERS: Final = open_operation(
    "list_providers",
    TAG,
    "List the providers",
    "Return those that one can log in with, in the order of their buttons.",
    answer=Answer("The providers.", ProviderListSerializer, {"results": [PROVIDER]}),
)

BEGIN_LOGIN: Final = open_operation(
    "begin_provider_login",
    TAG,
    "Begin a log-in by a provider",
    "Return the URL to send the browser to, and a `flow` that the client keeps to itself: without "
    "it, what comes back is worth nothing.",
    TOO_MANY_ATTEMPTS,
    UNREACHED,
    body=Body(BeginningSerializer, {"provider": "google"}, NO_PROVIDER),
    answer=Answer("Where the user goes next.", BegunSerializer, BEGUN),
)

COMPLETE_LOGIN: Final = open_operation(
    "complete_provider_login",
    TAG,
    "Finish a log-in by a provider",
    "Exchange the `flow`, and the state and code that came back, for tokens. An identity without "
    "an account gets a new one, with the email that the provider has verified. An account with "
    "that email is never entered by it: log in to it, and link the provider.",
    refuse(
        "The flow or the code isn't good, or the account is closed; or the second factor is "
        "missing.",
        FlowNotValid,
        ProviderRefused,
        AccountGone,
        *UNFINISHED_LOGINS,
        serializer=UnfinishedLoginSerializer,
    ),
    refuse("There is no email to make an account with.", EmailNotVerified),
    refuse("There is an account with this email.", AccountExists),
    TOO_MANY_ATTEMPTS,
    UNREACHED,
    body=Body(LoginCompletionSerializer, COMPLETION, NO_CODE),
    answer=LOGGED_IN,
)

LIST_IDENTITIES: Final = operation(
    "list_identities",
    TAG,
    "List one's identities",
    "Return what one's account is linked to, the last linked first.",
    answer=Answer("The identities.", IdentityListSerializer, {"results": [IDENTITY]}),
)

BEGIN_LINK: Final = operation(
    "begin_link",
    TAG,
    "Begin to link a provider",
    "Do as for a log-in; what comes back is for `POST /auth/identities/complete`. A code of the "
    "second factor is needed where there is one.",
    refuse(
        "The account's email isn't verified; or it has no password, and the log-in was too long "
        "ago.",
        OwnEmailNotVerified,
        RecentLoginRequired,
    ),
    TOO_MANY_ATTEMPTS,
    UNREACHED,
    body=Body(LinkBeginningSerializer, {"provider": "google", "password": PASSWORD}, NO_PROVIDER),
    answer=Answer("Where the user goes next.", BegunSerializer, BEGUN),
)

COMPLETE_LINK: Final = operation(
    "complete_link",
    TAG,
    "Link a provider",
    "Let the user log in to this account by the provider from now on. They are told by mail.",
    refuse(
        "No access token, or one that is not good any more; or the flow or the code isn't good.",
        *UNAUTHENTICATED_EXAMPLES,
        FlowNotValid,
        ProviderRefused,
    ),
    refuse("The account's email isn't verified.", OwnEmailNotVerified),
    refuse(
        "This account has one of this provider, or another account has this one.",
        ProviderLinked,
        IdentityTaken,
    ),
    TOO_MANY_ATTEMPTS,
    UNREACHED,
    body=Body(CompletionSerializer, COMPLETION, NO_CODE),
    answer=Answer("The identity.", IdentitySerializer, IDENTITY, 201),
)

UNLINK: Final = operation(
    "unlink",
    TAG,
    "Unlink a provider",
    "Remove one of one's own identities, unless nobody could log in any more. The user is told by "
    "mail. A code of the second factor is needed where there is one.",
    PROVEN,
    refuse("No such identity of one's own.", NoSuchIdentity),
    refuse("It is the last way in.", LastWayIn),
    body=Body(ProofSerializer, {"password": PASSWORD}, WRONG_PASSWORD),
    parameters=Parameters([IDENTITY_ID]),
    answer=no_content("It is removed."),
)
