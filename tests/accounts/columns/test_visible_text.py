"""Names show what they are, and none of them promises an office."""

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.accounts.endpoints import REGISTRATION

pytestmark = pytest.mark.django_db

HIDDEN = {
    "zero width space": "\u200b",
    "right-to-left override": "\u202e",
    "isolate": "\u2066",
    "mark": "\u200f",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "tag": "\U000e0041",
    "escape": "\x1b",
    "delete": "\x7f",
    "line separator": "\u2028",
    "private use": "\ue000",
    "Hangul filler": "\u3164",
    "Braille blank": "\u2800",
    "mark without a shape": "\u034f",
    "line feed": "\n",
}


@pytest.mark.parametrize("field", ["first_name", "last_name", "occupation", "location"])
@pytest.mark.parametrize("char", HIDDEN.values(), ids=HIDDEN)
def test_hidden_characters_are_refused(as_alice: APIClient, field: str, char: str) -> None:
    """By the field and by their number; nothing is changed."""
    response = as_alice.put("/auth/profile", {field: f"Al{char}ice"})
    assert (response.status_code, set(response.json())) == (400, {field})
    assert f"U+{ord(char):04X}" in response.json()[field][0]


@pytest.mark.parametrize("text", ["\u200cAli", "Ali\u200d", "\u200c", "\u200d\u200d"])
def test_joiner_joins_something(as_alice: APIClient, text: str) -> None:
    """At an edge it would make two names look alike."""
    assert as_alice.put("/auth/profile", {"first_name": text}).status_code == 400


@pytest.mark.parametrize(
    "name",
    [
        "Zo\u00eb",
        "Zoe\u0308",
        "D\u2019Angelo",
        "Nguy\u1ec5n",
        "\u0645\u062d\u0645\u062f",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
        "\u674e \u5c0f\u9f8d",
        "O'Neil-Smith",
    ],
)
def test_names_of_all_scripts_are_taken(as_alice: APIClient, name: str) -> None:
    """As they are written, with the joiners that belong to their words."""
    response = as_alice.put("/auth/profile", {"first_name": name})
    assert (response.status_code, response.json()["first_name"]) == (200, name)


def test_bio_has_lines(as_alice: APIClient) -> None:
    """And emoji; directions are refused there, too."""
    bio = "Cooks.\r\n\tDives. \U0001f469\u200d\U0001f373"
    assert as_alice.put("/auth/profile", {"bio": bio}).json()["bio"] == bio
    assert as_alice.put("/auth/profile", {"bio": "Cooks \u202e.sevid"}).status_code == 400


@pytest.mark.parametrize("name", ["admin", "Admin", "ad.min", "_admin_", "hire-me-bahamas", "me_"])
def test_reserved_usernames(as_alice: APIClient, anybody: APIClient, name: str) -> None:
    """At registration and later, however they are separated."""
    for response in (
        anybody.post("/auth/register", REGISTRATION | {"username": name}),
        as_alice.put("/auth/profile", {"username": name}),
    ):
        assert (response.status_code, set(response.json())) == (400, {"username"})
    assert not User.objects.filter(username__contains="admin").exists()


def test_reserved_username_that_an_admin_gave(as_alice: APIClient, alice: User) -> None:
    """Stays, while its user changes other things."""
    User.objects.filter(pk=alice.pk).update(username="support")
    response = as_alice.put("/auth/profile", {"username": "support", "bio": "Helps."})
    assert (response.status_code, response.json()["bio"]) == (200, "Helps.")
