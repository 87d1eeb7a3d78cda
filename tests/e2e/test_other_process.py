"""What one process writes, the next read in another shows: the web server's and this one's."""

from collections.abc import Callable

import pytest
from django.db import transaction
from django.db.models import F
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.accounts.admin_site import run_action
from tests.accounts.api_keys.program import make_program
from tests.accounts.pictures.test_avatars import picture
from tests.caches import WAIT, lead_shared_alias
from tests.cast import NEW_PASSWORD, PASSWORD, token_of
from tests.e2e.every_process import Everywhere
from tests.e2e.http_client import Answer, HttpClient
from usercache.codec import get_codec
from usercache.management.inspection import inspect_user
from usercache.users import (
    get_user_by_email,
    get_user_by_id,
    get_user_by_phone,
    get_user_by_username,
)

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

# By identifier: the look-up, a value that is free at first, another on the way.
LOOK_UPS = {
    "email": (get_user_by_email, "free@example.com", "parking@example.com"),
    "username": (get_user_by_username, "free", "parking"),
    "phone": (get_user_by_phone, "+12425550188", "+12425550189"),
}


@pytest.fixture(autouse=True)
def _wait_policy(settings: Settings) -> None:
    """Wait for Redis here as the web server does, in a pool of connections of its own."""
    lead_shared_alias(settings, f"{settings.REDIS_URL}#patient", **WAIT)


def look_up(user: User) -> User:
    """Look up what is in the cache already, so that only an invalidation can have made it new."""
    found = get_user_by_id(user.pk)
    assert found is not None
    assert inspect_user(user.pk)[:2] == ("redis", "record")
    return found


def columns_of(user: User) -> dict[str, object]:
    """Return the columns that are cached."""
    return {name: getattr(user, name) for name in get_codec().fields}


def test_key_dies_in_every_process(
    everywhere: Everywhere, anybody: HttpClient, alice: User
) -> None:
    """One that all processes know, revoked by one of them; another of the same user goes on."""
    program, other = make_program(alice), make_program(alice)
    for key in (program.key, other.key):
        assert everywhere(anybody.having_key(key), "/auth/verify").status == 200
    owner = anybody.having(token_of(alice))
    assert owner.send("DELETE", f"/auth/api-keys/{program.key_id}", None).status == 204
    assert everywhere(anybody.having_key(program.key), "/auth/verify").status == 401
    assert everywhere(anybody.having_key(other.key), "/auth/verify").status == 200


def put_profile(client: HttpClient) -> Answer:
    body = {"bio": "Cooks.", "phone": "242-555-0177", "username": "alicia"}
    body["password"] = PASSWORD
    return client.send("PUT", "/auth/profile", body)


def patch_profile(client: HttpClient) -> Answer:
    return client.send("PATCH", "/auth/profile", {"location": "Exuma"})


def change_password(client: HttpClient) -> Answer:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return client.send("POST", "/auth/change-password", body)


def upload_avatar(client: HttpClient) -> Answer:
    return client.upload("/auth/upload-avatar", picture("PNG"))


def close_account(client: HttpClient) -> Answer:
    return client.send("DELETE", "/auth/account", {"password": PASSWORD})


@pytest.mark.parametrize(
    ("write", "changed"),
    [
        (put_profile, {"bio", "phone", "username"}),
        (patch_profile, {"location"}),
        (change_password, {"token_version"}),
        (upload_avatar, {"avatar_url"}),
        (close_account, {"is_active", "token_version"}),
    ],
)
def test_what_a_web_process_writes_is_seen_here(
    as_alice: HttpClient, alice: User, write: Callable[[HttpClient], Answer], changed: set[str]
) -> None:
    """With the user warm here and there, the look-up after the response returns the new row."""
    assert as_alice.get("/auth/profile").status == 200
    before = columns_of(look_up(alice))
    assert write(as_alice).status in (200, 204)
    found = get_user_by_id(alice.pk)
    assert found is not None
    after = columns_of(found)
    assert after.items() <= columns_of(User.objects.get(pk=alice.pk)).items()
    assert {name for name in after if before[name] != after[name]} == changed | {
        "updated_at",
        "version",
    }


def save(user: User) -> None:
    user.bio = "Dives."
    user.save()


def update(user: User) -> None:
    User.objects.filter(pk=user.pk).update(bio="Dives.")


def update_by_expression(user: User) -> None:
    User.objects.filter(username=user.username).update(bio=F("occupation"))


def update_in_bulk(user: User) -> None:
    user.bio = "Dives."
    User.objects.bulk_update([user], ["bio"])


def save_in_a_savepoint(user: User) -> None:
    with transaction.atomic():
        user.occupation = "Never committed"
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            user.save()
            raise ZeroDivisionError
        user.refresh_from_db()
        with transaction.atomic():
            save(user)


@pytest.mark.parametrize(
    "write", [save, update, update_by_expression, update_in_bulk, save_in_a_savepoint]
)
def test_what_is_written_here_is_seen_by_the_web_processes(
    everywhere: Everywhere, as_alice: HttpClient, alice: User, write: Callable[[User], None]
) -> None:
    """With the user warm in all of them, the next request of each shows the new row."""
    assert everywhere(as_alice, "/auth/profile").body["bio"] == ""
    write(alice)
    row = User.objects.get(pk=alice.pk)
    user = everywhere(as_alice, "/auth/profile").body
    assert (user["bio"], user["occupation"]) == (row.bio, row.occupation)
    assert user["bio"]


def test_admin_action_is_honoured_by_the_next_request(
    everywhere: Everywhere, as_alice: HttpClient, alice: User, dora: User
) -> None:
    """Locked out or logged out, all processes refuse; let in again, they want a new token."""
    admin = Client()
    admin.force_login(dora)
    client = as_alice
    for action, code in (("deactivate", "user_inactive"), ("revoke", "token_revoked")):
        assert everywhere(client, "/auth/verify").status == 200
        run_action(admin, action, alice)
        status, body = everywhere(client, "/auth/verify")
        assert (status, body["code"]) == (401, code)
        run_action(admin, "activate", alice)
        status, body = everywhere(client, "/auth/verify")
        assert (status, body["code"]) == (401, "token_revoked")
        alice.refresh_from_db()
        client = client.having(token_of(alice))


def test_deleted_user_is_gone_from_every_process(
    everywhere: Everywhere, as_alice: HttpClient, as_dora: HttpClient, alice: User
) -> None:
    """His token, his page and his name lead nowhere."""
    paths = (f"/users/{alice.pk}", f"/users/lookup?email={alice.email}")
    for path in paths:
        assert everywhere(as_dora, path).status == 200
    alice.delete()
    assert everywhere(as_alice, "/auth/verify").status == 401
    for path in paths:
        assert everywhere(as_dora, path).status == 404


def owners(
    everywhere: Everywhere, client: HttpClient, identifier: str, *values: str
) -> list[object]:
    """Return the id, or the status, that all processes answer for each value."""
    paths = [f"/users/lookup?{identifier}={value}" for value in values]
    answers = [everywhere(client, path) for path in paths]
    return [body["id"] if status == 200 else status for status, body in answers]


def test_rename_over_http(
    everywhere: Everywhere, as_alice: HttpClient, as_dora: HttpClient, alice: User
) -> None:
    """Under the old name nobody, under the new one her, there and here."""
    assert owners(everywhere, as_dora, "username", "alice", "alicia") == [alice.pk, 404]
    assert as_alice.send("PUT", "/auth/profile", {"username": "Alicia"}).status == 200
    assert owners(everywhere, as_dora, "username", "alice", "alicia") == [404, alice.pk]
    assert get_user_by_username("alice") is None
    assert get_user_by_username("alicia") == alice


def test_swapped_names_over_http(
    everywhere: Everywhere, anybody: HttpClient, as_dora: HttpClient, alice: User, bob: User
) -> None:
    """Each time two users have swapped names, all processes know whose each is."""
    names = ("alice", "bob", "third")
    assert owners(everywhere, as_dora, "username", *names) == [alice.pk, bob.pk, 404]
    one, other = (anybody.having(token_of(user)) for user in (alice, bob))
    for expected in ([bob.pk, alice.pk, 404], [alice.pk, bob.pk, 404]):
        one_name, other_name = (c.get("/auth/profile").body["username"] for c in (one, other))
        for client, name in ((one, "third"), (other, one_name), (one, other_name)):
            assert client.send("PUT", "/auth/profile", {"username": name}).status == 200
        assert owners(everywhere, as_dora, "username", *names) == expected


def assign(identifier: str, *owners_and_values: tuple[User, str]) -> None:
    for user, value in owners_and_values:
        setattr(user, identifier, value)
        user.save(update_fields=[identifier])


@pytest.mark.parametrize("identifier", LOOK_UPS)
def test_identifier_that_moves_is_right_at_once(
    everywhere: Everywhere, as_dora: HttpClient, alice: User, bob: User, identifier: str
) -> None:
    """Given up, taken over, swapped: right at once in all web processes, and in this one."""
    look_up_by, free, parking = LOOK_UPS[identifier]
    hers, his = getattr(alice, identifier), getattr(bob, identifier)
    values = (hers, his, free)
    formatted = [value.replace("+", "%2B") for value in values]
    assert owners(everywhere, as_dora, identifier, *formatted) == [alice.pk, bob.pk, 404]
    for hers_now, his_now, expected in [
        (free, hers, [bob.pk, 404, alice.pk]),
        (hers, free, [alice.pk, 404, bob.pk]),
        (hers, his, [alice.pk, bob.pk, 404]),
    ]:
        with transaction.atomic():
            assign(identifier, (alice, parking), (bob, his_now), (alice, hers_now))
        assert owners(everywhere, as_dora, identifier, *formatted) == expected
        found = [look_up_by(value) for value in values]
        assert [404 if user is None else user.pk for user in found] == expected
