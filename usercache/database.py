"""The database that users are in: which it is, and whether it is in a transaction."""

from collections.abc import Callable
from functools import cache

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from usercache.codec import Codec


def database_of(codec: Codec) -> str:
    """Return the alias of the database that users live in.

    Raises:
        ImproperlyConfigured: the routers name another than at start-up. Users of two databases
            would be one under the same key.
    """
    alias = router.db_for_write(codec.model)
    if alias != home_database():
        raise ImproperlyConfigured(
            f"DATABASE_ROUTERS send {codec.model._meta.label} to '{alias}' now, and to "
            f"'{home_database()}' at start-up. The cache has one key for each primary key, so it "
            "serves the users of one database. Where each tenant has its own, use simplejwt's "
            "JWTAuthentication."
        )
    return alias


@cache
def home_database() -> str:
    """Return the alias that the routers named at the first call: at start-up."""
    return router.db_for_write(get_user_model())


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Return whether what is read or written now may never be committed."""
    return connection.in_atomic_block or (
        connection.connection is not None and not connection.autocommit
    )


def after_commit(function: Callable[[], None], using: str) -> None:
    """Call the function once the transaction is committed, or now if there is none.

    With autocommit off, Django calls it when autocommit is on again after a commit.
    """
    connection = connections[using]
    if connection.in_atomic_block or connection.get_autocommit():
        transaction.on_commit(function, using=using)
    else:
        # Refused outside of a block.
        with transaction.atomic(using=using, savepoint=False):
            transaction.on_commit(function, using=using)
