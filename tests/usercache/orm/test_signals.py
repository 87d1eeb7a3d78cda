"""Saves and deletions of an instance: nothing of one that failed is left for the next."""

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, transaction
from django.db.models.signals import ModelSignal, post_save, pre_delete, pre_save

from tests.users import User
from usercache.management.inspection import inspect_user
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)


class RefusedError(Exception):
    """A receiver's own."""


def refuse(**_kwargs: object) -> None:
    raise RefusedError


@contextmanager
def receiving(signal: ModelSignal, receiver: Callable[..., None]) -> Iterator[None]:
    signal.connect(receiver, sender=User)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=User)


def fail_in_statement(user: User) -> None:
    email, user.email = user.email, "bob@example.com"
    with pytest.raises(IntegrityError):
        user.save()
    user.email = email


def fail_before_statement(user: User) -> None:
    with receiving(pre_save, refuse), pytest.raises(RefusedError):
        user.save()


def fail_after_statement(user: User) -> None:
    with receiving(post_save, refuse), pytest.raises(RefusedError):
        user.save()


def fail_to_delete(user: User) -> None:
    with receiving(pre_delete, refuse), pytest.raises(RefusedError):
        user.delete()


FAILURES = [fail_in_statement, fail_before_statement, fail_after_statement, fail_to_delete]
with_each_failure = pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)


@with_each_failure
@pytest.mark.usefixtures("bob")
def test_nothing_of_a_failure_is_left_in_the_instance(
    fail: Callable[[User], None], alice: User
) -> None:
    """It has what it had before, so that it can be copied and pickled, and is saved as ever."""
    before = vars(alice._state).copy()
    fail(alice)
    assert vars(alice._state) == before
    assert pickle.loads(pickle.dumps(alice)) == copy.deepcopy(alice) == alice  # ours
    get_user_by_id(alice.pk)
    alice.first_name = "Alicia"
    alice.save()
    found = get_user_by_id(alice.pk)
    assert found is not None
    assert found.first_name == "Alicia"


def test_failure_within_a_save_ends_alone(alice: User) -> None:
    """A receiver that saves the instance again, in vain, takes nothing of the outer save's."""
    inner = list[User]()

    def save_again(instance: User, **_kwargs: object) -> None:
        if not inner:
            inner.append(instance)
            with receiving(pre_save, refuse), pytest.raises(RefusedError):
                instance.save()

    with receiving(pre_save, save_again), transaction.atomic():
        alice.save()
    assert inner == [alice]
    get_user_by_id(alice.pk)
    assert inspect_user(alice.pk).state == "record", "both have taken their write markers off"
