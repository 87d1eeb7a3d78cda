"""What one user is shown of another, by id and by look-up."""

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from accounts.models import User
from accounts.serializers.requests import LookupQuerySerializer
from tests.accounts.directory.test_directory import PUBLIC_FIELDS

pytestmark = pytest.mark.django_db

CONTACT_FIELDS = PUBLIC_FIELDS | {"email", "phone"}


def test_others_see_no_email_and_phone(as_alice: APIClient, bob: User) -> None:
    """By id nor by username."""
    for path in (f"/users/{bob.pk}", f"/users/lookup?username={bob.username}"):
        response = as_alice.get(path)
        assert response.status_code == 200
        assert set(response.json()) == PUBLIC_FIELDS
        assert response.json()["id"] == bob.pk


def test_one_sees_ones_own(as_alice: APIClient, alice: User) -> None:
    """By id."""
    body = as_alice.get(f"/users/{alice.pk}").json()
    assert set(body) == CONTACT_FIELDS
    assert (body["email"], body["phone"]) == (alice.email, alice.phone)


def test_admins_see_everybodys(as_dora: APIClient, bob: User) -> None:
    """By id and by every identifier, in any spelling."""
    for path in (
        f"/users/{bob.pk}",
        "/users/lookup?username=BOB",
        "/users/lookup?email=Bob@Example.com",
        "/users/lookup?phone=242-555-0102",
        "/users/lookup?phone=%2B12425550102",
    ):
        response = as_dora.get(path)
        assert response.status_code == 200, path
        assert set(response.json()) == CONTACT_FIELDS
        assert response.json()["id"] == bob.pk


@pytest.mark.parametrize("query", ["email=bob@example.com", "phone=242-555-0102", "email=x"])
def test_only_admins_look_up_by_email_and_phone(as_alice: APIClient, bob: User, query: str) -> None:
    """Whether there is such a user or not, the answer is the same 403."""
    response = as_alice.get(f"/users/lookup?{query}")
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


def test_inactive_users_are_there_for_admins_only(
    as_alice: APIClient, as_dora: APIClient, charlie: User
) -> None:
    """For the others they are as if they had never been."""
    for path in (f"/users/{charlie.pk}", "/users/lookup?username=charlie"):
        gone, never = as_alice.get(path), as_alice.get("/users/lookup?username=nobody")
        assert (gone.status_code, gone.content) == (404, never.content)
        assert as_dora.get(path).status_code == 200


@pytest.mark.parametrize(
    "user_id",
    [
        "0",
        "-1",
        "x",
        "1.0",
        "01",
        "%00",
        "1%00",
        "9223372036854775807",
        "9223372036854775808",
        "9" * 30,
        "9" * 5000,
        "1/",
        "lookup/",
        "%D9%A1",  # an Arabic 1
        "%F0%9F%8F%9D",
    ],
)
def test_what_is_no_user_is_a_404(as_alice: APIClient, user_id: str) -> None:
    """In JSON, whatever stands there."""
    response = as_alice.get(f"/users/{user_id}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "non_field_errors"),
        ("username=bob&email=bob@example.com", "non_field_errors"),
        ("username=", "username"),
        ("username=%00", "username"),
        ("id=1", "id"),
        ("username=bob&id=1", "id"),
        ("username=bob&username=alice", "username"),
    ],
)
def test_exactly_one_identifier_is_looked_up(
    as_alice: APIClient, bob: User, query: str, named: str
) -> None:
    """None, two or another is a 400 that says so."""
    response = as_alice.get(f"/users/lookup?{query}")
    assert response.status_code == 400
    assert set(response.json()) == {named}


@pytest.mark.parametrize("value", ["nobody", "b", "x" * 5000, "bob%20", "%F0%9F%8F%9D", "%ff", "*"])
def test_unknown_username_is_a_404_or_found_as_spelt(
    as_alice: APIClient, bob: User, value: str
) -> None:
    """Never an error of ours; blanks around a name don't count."""
    response = as_alice.get(f"/users/lookup?username={value}")
    assert response.status_code == (200 if value == "bob%20" else 404)


QUERY_STRINGS = (
    *(
        f"{name}={value}"
        for name in ("username", "email", "phone")
        for value in ("a", "0", "a.b-c_d~E9")
    ),
    *(
        "username=",
        "username=a&username=b",
        "username=a&email=b",
        "username",
        "=",
        "id=1",
        "username=a&",
    ),
    *(
        "username=%61",
        "username=a+b",
        "username=+a",
        "username=%00",
        "email=a@b.c",
        "phone=%2B1242",
    ),
    *("USERNAME=a", "username=a;b", "username=a=b", "username=é", "username=%ED%A0%80", ""),
)


@pytest.mark.parametrize("query_string", QUERY_STRINGS)
def test_a_plain_query_string_is_read_as_the_fields_read_it(query_string: str) -> None:
    """Without them, and with the same result."""
    request = Request(APIRequestFactory().get("/", QUERY_STRING=query_string))
    by_fields = LookupQuerySerializer(data=request.query_params)
    if by_fields.is_valid():
        assert LookupQuerySerializer.read(request) == by_fields.validated_data
    else:
        with pytest.raises(ValidationError) as refused:
            LookupQuerySerializer.read(request)
        assert refused.value.detail == by_fields.errors
