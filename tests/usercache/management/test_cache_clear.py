"""manage.py cache_clear: asks, invalidates as a write would, and says what it did."""

import io
import sys

import pytest
from django.core.management import CommandError, call_command

from tests.steering import get_guard, keep_redis_away
from tests.users import User
from usercache.backends.breaker import FIRST_PAUSE_SECONDS
from usercache.management.inspection import inspect_user
from usercache.models import PendingInvalidation
from usercache.users import get_user_by_email, get_user_by_id

TRANSACTIONS = pytest.mark.django_db(transaction=True)


def clear(*arguments: str) -> str:
    out = io.StringIO()
    call_command("cache_clear", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def _warm(alice: User, bob: User) -> None:
    for user in (alice, bob):
        get_user_by_email(user.email)


@TRANSACTIONS
@pytest.mark.usefixtures("_warm")
def test_user_is_forgotten_by_any_name(alice: User, bob: User) -> None:
    """By id, email, username or phone, in anybody's spelling; nobody else is."""
    for named in ("id", "email", "username", "phone"):
        get_user_by_id(alice.pk)
        clear("--user", str(getattr(alice, named)).upper(), "--no-input")
        assert inspect_user(alice.pk).state == "nothing"
    assert inspect_user(bob.pk).state == "record"


@TRANSACTIONS
@pytest.mark.usefixtures("_warm")
def test_it_asks_first(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but yes leaves all as it was; where nobody can be asked, it says so."""
    with pytest.raises(CommandError, match="--no-input"):
        clear("--all")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    questions, answers = list[str](), ["", "y"]

    def answer(question: str) -> str:
        questions.append(question)
        return answers.pop(0)

    monkeypatch.setattr("builtins.input", answer)
    with pytest.raises(CommandError, match="Nothing was done"):
        clear("--user", "alice")
    assert questions == [f"Forget user:id:{alice.pk}? [y/N] "]
    assert inspect_user(alice.pk).state == "record"
    clear("--all")
    assert inspect_user(alice.pk).state == "nothing"


@pytest.mark.redis
@TRANSACTIONS
@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("users", [("--all",), ("--user", "alice")])
def test_redis_that_is_away_is_told_later(users: tuple[str, ...], alice: User) -> None:
    """The outbox holds it, the command says so, and it is done before Redis is used again."""
    clock = keep_redis_away()
    assert "noted in the outbox" in clear(*users, "--no-input")
    assert PendingInvalidation.objects.count() == 1
    clock.now += FIRST_PAUSE_SECONDS
    get_guard().attend()
    found = get_user_by_id(alice.pk)
    assert found == alice
    assert PendingInvalidation.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "required"),
        (("--all", "--user", "alice"), "not allowed"),
        (("--user", "nobody", "--no-input"), "There is no user 'nobody'"),
    ],
)
def test_bad_arguments(arguments: tuple[str, ...], said: str) -> None:
    """The users to forget must be named, and be known."""
    with pytest.raises(CommandError, match=said):
        clear(*arguments)
