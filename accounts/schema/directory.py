"""The operations on other people's profiles."""

from typing import Final

from drf_spectacular.utils import OpenApiExample

from accounts.schema.components import ProfileSerializer
from accounts.schema.examples import CONTACT_PROFILE, PUBLIC_PROFILE
from accounts.schema.operations import (
    Answer,
    Parameters,
    keyed_operation,
    path_parameter,
)
from accounts.schema.refusals import NO_SUCH_USER, NOT_FOR_EVERYBODY, SLOW
from accounts.serializers.requests import DirectoryQuerySerializer, LookupQuerySerializer
from accounts.serializers.responses import ProfilePageSerializer

TAG: Final = "Directory"
USER_ID: Final = path_parameter("user_id", "The user's id.", 7)
PROFILE: Final = Answer("The profile.", ProfileSerializer)
PROFILES: Final = (
    OpenApiExample("For everybody", PUBLIC_PROFILE, response_only=True),
    OpenApiExample("For oneself and admins", CONTACT_PROFILE, response_only=True),
)

LIST_USERS: Final = keyed_operation(
    "list_users",
    TAG,
    "Search the directory",
    "Return a page of the active users in whose profiles every word occurs.",
    SLOW,
    parameters=Parameters(
        [DirectoryQuerySerializer],
        [
            OpenApiExample("A profession", "chef", parameter_only=("search", "query")),
            OpenApiExample(
                "One chef",
                {"count": 1, "page": 1, "page_size": 20, "results": [PUBLIC_PROFILE]},
                response_only=True,
            ),
        ],
        {"page": ["Ensure this value is greater than or equal to 1."]},
    ),
    answer=Answer("The page; an empty one behind the last.", ProfilePageSerializer),
)

GET_USER: Final = keyed_operation(
    "get_user",
    TAG,
    "Read a profile",
    "Return a profile, with email and phone for oneself and for admins.",
    NO_SUCH_USER,
    parameters=Parameters([USER_ID], PROFILES),
    answer=PROFILE,
)

LOOK_UP_USER: Final = keyed_operation(
    "look_up_user",
    TAG,
    "Find a profile by username",
    "Return the profile with this username or, for admins, with this email or phone. Give "
    "exactly one of the three, in any spelling.",
    NOT_FOR_EVERYBODY,
    NO_SUCH_USER,
    parameters=Parameters(
        [LookupQuerySerializer],
        [OpenApiExample("Grace", "grace", parameter_only=("username", "query")), *PROFILES],
        {"non_field_errors": ["Give one of username, email and phone."]},
    ),
    answer=PROFILE,
)
