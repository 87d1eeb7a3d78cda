"""Load the whitelisted columns of a user's row.

Rows are found by the model's default manager, as in Django's own log-in: a user it hides is
"no such user" here, too.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.exceptions import EmptyResultSet
from django.db import connections, models, transaction

from usercache.codec import Codec, Values
from usercache.database import database_of, is_in_transaction
from usercache.identifiers import PK
from usercache.lookup import Source
from usercache.orm.statement import get_statement, is_plain

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

MOST_AFTER_COMMIT: Final = 100
"""Calls that wait for one commit; what is missed beyond them isn't filled by this request."""


def load(codec: Codec, by: Mapping[str, Any]) -> Values | None:
    """Return the columns of the row with these values, None where there is none. One query."""
    rows, row = rows_of(codec), None
    if by.keys() == {PK} and is_plain(rows):
        connection = connections[rows.db]
        with suppress(EmptyResultSet):  # no row can have this key
            row = get_statement(codec, connection, rows, by[PK]).fetch(connection, by[PK])
    else:
        row = next(iter(rows.filter(**by).values_list(*codec.columns)[:1]), None)
    return None if row is None else codec.read_row(row)


def load_pk(codec: Codec, by: Mapping[str, Any]) -> Any:
    """Return the primary key of the row with these values, None where there is none. One query."""
    found = list(rows_of(codec).filter(**by).values_list("pk", flat=True)[:1])
    return found[0] if found else None


def load_many(codec: Codec, pks: Mapping[str, Any]) -> dict[str, Values]:
    """Return the columns of the rows that exist, by record key. One query."""
    if len(pks) == 1:
        [(key, pk)] = pks.items()
        row = load(codec, {PK: pk})
        return {} if row is None else {key: row}
    found = rows_of(codec).filter(pk__in=pks.values()).values_list("pk", *codec.columns)
    rows = {pk: codec.read_row(row) for pk, *row in found}
    return {key: rows[pk] for key, pk in pks.items() if pk in rows}


def load_users(codec: Codec, by: Mapping[str, Any]) -> "list[User]":
    """Return the rows with these values as ordinary instances. One query."""
    return cast("list[User]", list(rows_of(codec).filter(**by)))


def may_fill(codec: Codec) -> bool:
    """Return whether what this thread loads now is sure to be committed."""
    return not is_in_transaction(connections[database_of(codec)])


def fill_after_request(codec: Codec, fill: Callable[[], None]) -> None:
    """Fill after the commit where each request is a transaction, and so none of them may fill.

    Elsewhere, the look-ups outside of transactions fill.
    """
    alias = database_of(codec)
    connection = connections[alias]
    if (
        connection.in_atomic_block
        and connection.settings_dict["ATOMIC_REQUESTS"]
        and len(connection.run_on_commit) < MOST_AFTER_COMMIT
    ):
        transaction.on_commit(fill, using=alias)


@lru_cache(maxsize=2)
def source_of(codec: Codec) -> Source:
    """Return what loads users for the store."""
    return Source(
        codec,
        partial(load_many, codec),
        partial(may_fill, codec),
        partial(fill_after_request, codec),
    )


def rows_of(codec: Codec) -> "models.QuerySet[models.Model]":
    """Return the rows that users are loaded from: those of the default manager."""
    # From the database that is written to: a replica may lag behind the write that emptied the key.
    return codec.model._default_manager.using(database_of(codec))
