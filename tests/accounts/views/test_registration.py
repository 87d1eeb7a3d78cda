"""Registering: an account, and logged in with it."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db

FORM = {
    "email": "Zoe@Example.com",
    "password": PASSWORD,
    "first_name": "Zoe",
    "last_name": "Knowles",
}
USER_FIELDS = {
    "id",
    "email",
    "username",
    "first_name",
    "last_name",
    "phone",
    "bio",
    "avatar_url",
    "occupation",
    "location",
    "is_active",
    "is_admin",
    "is_email_verified",
    "created_at",
    "updated_at",
}


def test_registration_returns_tokens_and_the_user(anybody: APIClient) -> None:
    """201 with a pair that works and exactly the fourteen fields of the user."""
    optional = {"username": "ZoeK", "phone": "242-555-1234", "location": "Nassau"}
    response = anybody.post("/auth/register", FORM | optional)
    assert response.status_code == 201
    body = response.json()
    assert set(body) == {"access_token", "refresh_token", "token_type", "user"}
    assert body["token_type"] == "bearer"
    assert set(body["user"]) == USER_FIELDS
    assert body["user"] | {"id": 0, "created_at": "", "updated_at": ""} == {
        "id": 0,
        "email": "zoe@example.com",
        "username": "zoek",
        "first_name": "Zoe",
        "last_name": "Knowles",
        "phone": "+12425551234",
        "bio": "",
        "avatar_url": "",
        "occupation": "",
        "location": "Nassau",
        "is_email_verified": False,
        "is_active": True,
        "is_admin": False,
        "created_at": "",
        "updated_at": "",
    }
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}")
    assert anybody.get("/auth/profile").json() == body["user"]
    assert LoginSession.objects.get().user_id == body["user"]["id"]


def test_optional_fields_are_optional(anybody: APIClient) -> None:
    """Username and phone are null without, also when sent as "" or null."""
    bodies: list[dict[str, Any]] = [{}, {"username": "", "phone": ""}, {"username": None}]
    for number, nothing in enumerate(bodies):
        response = anybody.post("/auth/register", FORM | nothing | {"email": f"z{number}@x.bs"})
        assert response.status_code == 201
        assert response.json()["user"]["username"] is None
        assert response.json()["user"]["phone"] is None


@pytest.mark.parametrize(
    "taken",
    [{"email": "ALICE@example.com"}, {"username": "Alice"}, {"phone": "(242) 555-0101"}],
    ids=lambda taken: next(iter(taken)),
)
def test_duplicate_is_a_400_on_the_field(
    anybody: APIClient, alice: User, taken: dict[str, str]
) -> None:
    """In whatever spelling, and without a second account."""
    response = anybody.post("/auth/register", FORM | taken)
    assert response.status_code == 400
    assert set(response.json()) == set(taken)
    assert User.objects.count() == 1


def test_all_duplicates_are_named_at_once(anybody: APIClient, alice: User, bob: User) -> None:
    """Even when they are several people's."""
    taken = {"email": alice.email, "username": bob.username, "phone": bob.phone}
    assert set(anybody.post("/auth/register", FORM | taken).json()) == set(taken)


@pytest.mark.parametrize(
    "password",
    ["short7!", "password123", "19840523", "zoe@example.com", "knowles1", "x" * 129],
)
def test_weak_password_is_a_400_on_the_field(anybody: APIClient, password: str) -> None:
    """Too short, too common, a date, like one's own data, or longer than anybody types."""
    response = anybody.post("/auth/register", FORM | {"password": password})
    assert response.status_code == 400
    assert set(response.json()) == {"password"}


@pytest.mark.parametrize(
    "change",
    [
        {"email": "nope"},
        {"email": "a@b"},
        {"email": f"{'a' * 250}@example.com"},
        {"username": "a b"},
        {"username": "a" * 31},
        {"phone": "12"},
        {"first_name": ""},
        {"first_name": "  "},
        {"last_name": "x" * 101},
        {"location": "x" * 151},
        {"first_name": None},
        {"is_admin": True},
        {"is_superuser": True},
        {"token_version": 7},
        {"id": 7},
    ],
    ids=str,
)
def test_bad_field_is_a_400_on_the_field(anybody: APIClient, change: dict[str, Any]) -> None:
    """Nobody makes themselves an admin either."""
    response = anybody.post("/auth/register", FORM | change)
    assert response.status_code == 400
    assert set(response.json()) == set(change)
    assert not User.objects.exists()


def test_password_counts_with_its_blanks(anybody: APIClient) -> None:
    """A password is taken as it is, at both ends."""
    assert anybody.post("/auth/register", FORM | {"password": f" {PASSWORD} "}).status_code == 201
    assert User.objects.get().check_password(f" {PASSWORD} ")
