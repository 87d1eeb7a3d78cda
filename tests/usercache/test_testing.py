"""What projects use in their tests."""

import pytest
from django.core.cache import InvalidCacheBackendError
from django.db import models
from django.test import TestCase
from pytest_django import DjangoAssertNumQueries, Settings

from tests.users import User
from usercache.instances.columns import is_cached
from usercache.runtime import get_store
from usercache.testing import cached_users
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _disabled(settings: Settings) -> None:
    settings.USERCACHE_ENABLED = False


def test_block(alice: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Inside, users are cached, by this process alone; before and after, they aren't."""
    for _ in range(2):
        with cached_users():
            assert get_store().redis is None
            with django_assert_num_queries(1):
                assert get_user_by_id(alice.pk) == alice
            with django_assert_num_queries(0):
                assert get_user_by_id(alice.pk) == alice
            User.objects.filter(pk=alice.pk).update(first_name="Alicia")
            found = get_user_by_id(alice.pk)
            assert found is not None
            assert found.first_name == "Alicia"
        assert not is_cached(get_user_by_id(alice.pk))


def test_decorator(alice: User) -> None:
    """It decorates a test as well."""

    @cached_users()
    def look_up() -> User | None:
        return get_user_by_id(alice.pk)

    assert is_cached(look_up())


def test_caches_of_a_test(alice: User, settings: Settings) -> None:
    """A test's own CACHES, without our aliases, leave process memory, which begins empty."""
    settings.USERCACHE_ENABLED = True
    in_memory = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    aliases = settings.CACHES
    for _ in range(2):
        settings.CACHES = {"default": in_memory}
        assert get_store().redis is None
        found = get_user_by_id(alice.pk)
        assert found is not None
        assert is_cached(found)
        assert found.first_name == alice.first_name
        models.QuerySet(User).filter(pk=alice.pk).update(first_name="Alicia")
        alice.refresh_from_db()
    settings.CACHES = aliases
    assert (get_store().redis is None) == (not settings.USERCACHE_REDIS_ALIAS)


def test_alias_that_is_missing(settings: Settings) -> None:
    """It is an error where no test overrides CACHES: nobody is served without a word."""
    settings.USERCACHE_ENABLED = True
    settings.USERCACHE_MEMORY_ALIAS = "nowhere"
    with pytest.raises(InvalidCacheBackendError, match="nowhere"):
        get_store()


class InTransaction(TestCase):
    """A test of Django's, in a transaction that is rolled back."""

    @cached_users()
    def test_nothing_is_filled(self) -> None:
        """Rows that are rolled back are never cached, so other tests can't see them."""
        user = User.objects.create(email="ada@example.com", password="!")
        for _ in range(2):
            with self.assertNumQueries(1):
                assert get_user_by_id(user.pk) == user
