"""The statement of a load is made once, and only where its rows are those of the table."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.db import connection, models
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import CaptureQueriesContext

from tests.usercache.conftest import MakeUser
from tests.users import User
from usercache.codec import get_codec
from usercache.orm.loading import load, rows_of

pytestmark = pytest.mark.django_db(transaction=True)

CountMade = Callable[[], AbstractContextManager[list[object]]]


class Undeleted(models.QuerySet[Any]):
    """Decides at the last moment what it reads, as some packages do."""

    def _fetch_all(self) -> None:
        self.query.add_q(models.Q(is_active=True))
        super()._fetch_all()


@pytest.fixture
def count_made(monkeypatch: pytest.MonkeyPatch) -> CountMade:
    """Count the statements that Django's compiler makes in the block."""

    @contextmanager
    def count() -> Iterator[list[object]]:
        made, make = list[object](), SQLCompiler.as_sql

        def note(self: SQLCompiler, *arguments: Any, **options: Any) -> Any:
            made.append(self.query)
            return make(self, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(SQLCompiler, "as_sql", note)
            yield made

    return count


@pytest.fixture
def use_rows(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Let the default manager return another query set."""

    def use(make_rows: Callable[[], Any]) -> None:
        manager = models.Manager[User]()
        manager.model, manager.name = User, "rows"
        monkeypatch.setattr(manager, "get_queryset", make_rows)
        monkeypatch.setattr(User._meta, "default_manager", manager)

    return use


def names(*pks: object) -> list[str | None]:
    codec = get_codec()
    position = codec.fields.index("username")
    found = [load(codec, {"pk": pk}) for pk in pks]
    return [None if values is None else values[position] for values in found]


def test_the_same_as_the_orm(alice: User, bob: User) -> None:
    """Each column of each user, as a query set returns it; None for nobody."""
    codec = get_codec()
    for user in (alice, bob, alice):
        [row] = rows_of(codec).filter(pk=user.pk).values_list(*codec.columns)
        assert load(codec, {"pk": user.pk}) == codec.read_row(row)
    assert load(codec, {"pk": alice.pk}) != load(codec, {"pk": bob.pk})
    bob.delete()
    assert names(bob.pk) == [None]


def test_made_once(alice: User, bob: User, count_made: CountMade) -> None:
    """One statement in each load, which Django makes for the first."""
    names(alice.pk)
    with count_made() as made, CaptureQueriesContext(connection) as queries:
        assert names(bob.pk, alice.pk) == ["bob", "alice"]
    assert (len(made), len(queries)) == (0, 2)


def test_other_columns(alice: User, settings: Any) -> None:
    """After a change of the settings, as a test makes it, the next load has the new columns."""
    names(alice.pk)
    settings.USERCACHE_FIELDS = ("id", "username", "is_active")
    assert load(get_codec(), {"pk": alice.pk}) == (alice.pk, "alice", True)


def test_conditions_of_the_request(
    alice: User, bob: User, use_rows: Callable[[Callable[[], Any]], None]
) -> None:
    """A manager may decide each time which users there are, and is asked each time."""
    shown: models.QuerySet[User] = models.QuerySet(User)
    use_rows(lambda: shown.all())  # noqa: PLW0108  # it is another each time
    assert names(alice.pk, bob.pk) == ["alice", "bob"]
    shown = models.QuerySet(User).filter(username="alice")
    assert names(alice.pk, bob.pk) == ["alice", None]
    shown = models.QuerySet(User).none()
    assert names(alice.pk, bob.pk) == [None, None]
    shown = models.QuerySet(User)
    assert names(alice.pk, bob.pk) == ["alice", "bob"]


def test_query_sets_with_a_will_of_their_own(
    make_user: MakeUser, alice: User, use_rows: Callable[[Callable[[], Any]], None]
) -> None:
    """A class that changes how rows are read is left to read them."""
    gone = make_user("gone", is_active=False)
    names(alice.pk)
    use_rows(lambda: Undeleted(User))
    assert names(alice.pk, gone.pk) == ["alice", None]
