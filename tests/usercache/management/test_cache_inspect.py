"""manage.py cache_inspect: what is cached of a user, and what of it is not true."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import models

from tests.users import User
from usercache.users import get_user_by_email

pytestmark = pytest.mark.django_db(transaction=True)


def inspect(user: str) -> str:
    out = io.StringIO()
    call_command("cache_inspect", user, stdout=out)
    return out.getvalue()


def test_warm_user(alice: User) -> None:
    """His record, how old it is, what leads to it, and that it is true."""
    get_user_by_email(alice.email)
    printed = inspect("ALICE@example.com")
    assert f"user:id:{alice.pk}" in printed
    assert "Holds         record" in printed
    assert f"user:email:alice@example.com -> {alice.pk}" in printed
    assert "user:username:alice -> nothing" in printed
    assert "Differs       in nothing" in printed
    assert inspect(str(alice.pk)).splitlines()[0] == printed.splitlines()[0]


def test_difference_is_shown_and_is_the_exit_code(alice: User) -> None:
    """A column that isn't what the database has is shown with both values."""
    get_user_by_email(alice.email)
    models.QuerySet(User).filter(pk=alice.pk).update(first_name="Alicia")
    out = io.StringIO()
    with pytest.raises(SystemExit) as exit_info:
        call_command("cache_inspect", "username:alice", stdout=out)
    assert exit_info.value.code == 1
    assert "first_name: cached 'Alice', database 'Alicia'" in out.getvalue()
    assert "password" not in out.getvalue()


@pytest.mark.integer_key
def test_nobody() -> None:
    """An id may be that of a deleted user, who may be cached; any other name is nobody's."""
    assert "none in the database" in inspect("987654")
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        inspect("nobody")
