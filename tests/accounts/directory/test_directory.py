"""The directory: pages of active users, found by their public columns."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import User
from tests.cast import Cast

pytestmark = pytest.mark.django_db

PUBLIC_FIELDS = {
    "id",
    "username",
    "first_name",
    "last_name",
    "bio",
    "avatar_url",
    "occupation",
    "location",
    "created_at",
}


def names(client: APIClient, **query: str | int) -> list[str]:
    response = client.get("/users", query)
    assert response.status_code == 200, response.content
    return [user["username"] for user in response.json()["results"]]


def test_page_has_public_profiles_of_active_users(
    as_alice: APIClient,
    bob: User,
    charlie: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Newest first, without email and phone (of oneself neither), for two queries."""
    as_alice.get("/users")
    with django_assert_num_queries(3):  # one more for who asks: a transaction fills no cache
        response = as_alice.get("/users")
    body = response.json()
    assert {name: body[name] for name in body if name != "results"} == {
        "count": 2,
        "page": 1,
        "page_size": 20,
    }
    assert [user["username"] for user in body["results"]] == ["bob", "alice"]
    assert {name for user in body["results"] for name in user} == PUBLIC_FIELDS


def test_pages_cover_everybody_once(as_alice: APIClient, cast: Cast) -> None:
    """Also when the column that orders them is the same for all."""
    for number in range(7):
        cast.make(f"user{number}", last_name="Same", first_name="Same")
    User.objects.update(created_at=User.objects.values("created_at")[:1])
    for ordering in ("created_at", "-created_at", "first_name", "-last_name"):
        pages = [
            names(as_alice, page=page, page_size=3, ordering=ordering) for page in (1, 2, 3, 4)
        ]
        assert [len(page) for page in pages] == [3, 3, 2, 0]
        assert len({name for page in pages for name in page}) == 8


def test_ordering(as_alice: APIClient, bob: User) -> None:
    """By each column, both ways."""
    assert names(as_alice, ordering="username") == ["alice", "bob"]
    assert names(as_alice, ordering="-first_name") == ["bob", "alice"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ALI", ["alice"]),
        ("rolle chef", ["alice"]),
        ("exuma", ["bob"]),
        ("rolle", ["bob", "alice"]),
        ("chef exuma", []),
        ("%", []),
        ("_", []),
        ("", ["bob", "alice"]),
        ("  ", ["bob", "alice"]),
        ("'; DROP TABLE users; --", []),
        ("example.com", []),
        ("5550101", []),
        ("charlie", []),
    ],
)
def test_every_word_must_occur_in_a_public_column(
    as_alice: APIClient, bob: User, charlie: User, search: str, found: list[str]
) -> None:
    """Not in email or phone, which could be found out letter by letter."""
    assert names(as_alice, search=search) == found


def test_admins_search_in_email_and_phone_too(as_dora: APIClient, alice: User) -> None:
    """They may see them anyway."""
    assert names(as_dora, search="alice@ex") == ["alice"]
    assert names(as_dora, search="5550101") == ["alice"]


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "x"},
        {"page": ""},
        {"page": "1.5"},
        {"page": "9" * 30},
        {"page": "9" * 5000},
        {"page": "1\x00"},
        {"page_size": "0"},
        {"page_size": "101"},
        {"ordering": "password"},
        {"ordering": "email"},
        {"ordering": ""},
        {"ordering": "user__password"},
        {"search": "x" * 101},
        {"search": "\x00"},
        {"format": "xml"},
        {"limit": "5"},
        {"page": ["1", "2"]},
        {"page": "0", "limit": "5"},
    ],
    ids=lambda query: "&".join(f"{name}={str(value)[:8]!r}" for name, value in query.items()),
)
def test_bad_parameter_is_a_400_on_the_parameter(
    as_alice: APIClient, query: dict[str, Any]
) -> None:
    """Out of range, not a number, no such choice, unknown, or twice."""
    response = as_alice.get("/users", query)
    assert response.status_code == 400
    assert set(response.json()) == set(query)
