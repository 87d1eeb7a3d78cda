"""Ways in which views of others write the user they were given, and what happens meanwhile."""

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import async_to_sync
from django.db import connection, models
from django.db.models import Value
from django.db.models.functions import Concat
from django.forms import modelform_factory

from tests.concurrency import run_together
from tests.users import User
from usercache.instances.columns import is_cached
from usercache.users import get_user_by_id

OTHER = "by another process"


def cached(user: Any) -> Any:
    """Return the user as a request would have it: from the cache, filled before."""
    get_user_by_id(user.pk)
    found = get_user_by_id(user.pk)
    assert is_cached(found)
    return found


def row_of(user: Any) -> dict[str, Any]:
    return dict(User._base_manager.values().get(pk=user.pk))


def change_elsewhere(pk: Any, **columns: object) -> None:
    """Change the row as another process does, without a word to this one's memory."""

    def change() -> int:
        return models.QuerySet(User).filter(pk=pk).update(**columns)

    assert run_together([change]) == [1]


@contextmanager
def before_statement(number: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Act right before the numbered statement of this connection; yield the statements."""
    statements = list[str]()

    def execute(run: Any, sql: str, *args: Any) -> Any:
        if len(statements) == number:
            statements.append(sql)
            act()
        else:
            statements.append(sql)
        return run(sql, *args)

    with connection.execute_wrapper(execute):
        yield statements


# Each changes the first name, in a way that views of others have.


def save(user: Any) -> None:
    user.first_name = "Alicia"
    user.save()


def save_named(user: Any) -> None:
    user.first_name = "Alicia"
    user.save(update_fields=["first_name"])


def save_more_than_was_changed(user: Any) -> None:
    user.first_name = "Alicia"
    user.save(update_fields=["first_name", "location", "bio"])


def save_iterator(user: Any) -> None:
    user.first_name = "Alicia"
    user.save(update_fields=iter(["first_name", "location"]))


def save_on_a_loop(user: Any) -> None:
    user.first_name = "Alicia"
    async_to_sync(user.asave)()


def save_base(user: Any) -> None:
    user.first_name = "Alicia"
    user.save_base()


def save_expression(user: Any) -> None:
    user.first_name = Concat(Value("Ali"), Value("cia"))
    user.save()


def save_form(user: Any) -> None:
    form = modelform_factory(User, fields=["first_name"])({"first_name": "Alicia"}, instance=user)
    assert form.is_valid(), form.errors
    form.save()


def save_twice(user: Any) -> None:
    user.first_name = "Once"
    user.save()
    user.first_name = "Alicia"
    user.save()


def save_copy(user: Any) -> None:
    twin = copy.copy(user)
    twin.first_name = "Alicia"
    assert user.first_name == "Alice"
    twin.save()


def save_deep_copy(user: Any) -> None:
    save(copy.deepcopy(user))


def save_pickled(user: Any) -> None:
    save(pickle.loads(pickle.dumps(user)))  # ours


def bulk_update(user: Any) -> None:
    user.first_name = "Alicia"
    User.objects.bulk_update([user], ["first_name", "location", "bio"])


WAYS = [
    save,
    save_named,
    save_more_than_was_changed,
    save_iterator,
    save_on_a_loop,
    save_base,
    save_expression,
    save_form,
    save_twice,
    save_copy,
    save_deep_copy,
    save_pickled,
    bulk_update,
]
