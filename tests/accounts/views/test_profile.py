"""One's own profile: read from the cache, written to the row."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.account import update_profile
from tests.accounts.views.test_registration import USER_FIELDS
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


def test_profile_has_the_fourteen_fields(as_alice: APIClient, alice: User) -> None:
    """And nothing else: no hash, no version, no permissions."""
    response = as_alice.get("/auth/profile")
    assert response.status_code == 200
    assert set(response.json()) == USER_FIELDS
    assert response.json()["email"] == alice.email


@pytest.mark.django_db(transaction=True)
def test_warm_reads_make_no_query(
    as_alice: APIClient, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The profile, the token's verification, one's own page and one's name, once cached."""
    paths = (
        "/auth/profile",
        "/auth/verify",
        f"/users/{alice.pk}",
        f"/users/lookup?username={alice.username}",
    )
    for path in paths:
        assert as_alice.get(path).status_code == 200
    with django_assert_num_queries(0):
        for path in paths:
            assert as_alice.get(path).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["put", "patch"])
def test_warm_writes_are_seen_at_once(as_alice: APIClient, alice: User, method: str) -> None:
    """A change with the user in the cache reaches the row, the answer and the next read."""
    before = as_alice.get("/auth/profile").json()
    change = {"bio": "Cooks.", "location": "Exuma"}
    response = getattr(as_alice, method)("/auth/profile", change)
    assert response.status_code == 200
    expected = before | change | {"updated_at": response.json()["updated_at"]}
    assert response.json() == expected
    assert as_alice.get("/auth/profile").json() == expected
    assert User.objects.get().bio == "Cooks."
    assert response.json()["updated_at"] > before["updated_at"]


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize(
    ("change", "stored"),
    [
        ({"first_name": " Alicia "}, "Alicia"),
        ({"last_name": "Rolle-Knowles"}, "Rolle-Knowles"),
        ({"username": "ALICE_2"}, "alice_2"),
        ({"username": None}, None),
        ({"username": ""}, None),
        ({"bio": "Ünïcode 🏝\nand lines"}, "Ünïcode 🏝\nand lines"),
        ({"bio": ""}, ""),
        ({"occupation": "Diver"}, "Diver"),
        ({"location": "Exuma"}, "Exuma"),
    ],
    ids=str,
)
def test_each_field_can_be_changed_alone(
    as_alice: APIClient, method: str, change: dict[str, Any], stored: str | None
) -> None:
    """PUT is as partial as PATCH, since the original's clients send partial profiles."""
    before = as_alice.get("/auth/profile").json()
    response = getattr(as_alice, method)("/auth/profile", change)
    assert response.status_code == 200
    [name] = change
    assert response.json() == before | {name: stored, "updated_at": response.json()["updated_at"]}


@pytest.mark.parametrize(
    "change",
    [
        {"email": "a@example.com"},
        {"is_admin": True},
        {"is_active": False},
        {"avatar_url": "https://example.com/x"},
        {"first_name": ""},
        {"last_name": None},
        {"bio": None},
        {"bio": "x" * 2001},
        {"username": "no spaces"},
        {"phone": "abc"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_bad_change_is_a_400_on_the_field(as_alice: APIClient, change: dict[str, Any]) -> None:
    """And nothing else of the request is done either."""
    response = as_alice.put("/auth/profile", {"occupation": "Diver"} | change)
    assert response.status_code == 400
    assert set(response.json()) == set(change)
    assert User.objects.get().occupation == "Chef"


def test_taken_identifiers_are_refused(as_alice: APIClient, bob: User) -> None:
    """By name, in any spelling."""
    change = {"username": "BOB", "phone": "242-555-0102", "password": PASSWORD}
    response = as_alice.patch("/auth/profile", change)
    assert response.status_code == 400
    assert set(response.json()) == {"username", "phone"}


def test_own_identifiers_are_not_taken(as_alice: APIClient) -> None:
    """Sending back what one was shown is fine, and writes nothing."""
    before = as_alice.get("/auth/profile").json()
    names = ("first_name", "last_name", "username", "phone", "bio", "occupation", "location")
    response = as_alice.put("/auth/profile", {name: before[name] for name in names})
    assert (response.status_code, response.json()) == (200, before)


def test_user_deactivated_during_the_request_gets_a_401(as_alice: APIClient, alice: User) -> None:
    """The row is asked again before it is written."""
    as_alice.get("/auth/profile")
    with pytest.raises(Exception, match="not active"):
        update_profile(user_id=alice.pk + 1, changes={"bio": "x"})
