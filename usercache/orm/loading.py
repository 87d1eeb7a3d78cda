"""Load the whitelisted columns of a user's row.

Rows are found by the model's default manager, as in Django's own log-in: a user it hides is
"no such user" here, too.

Note [The statement of a load]
------------------------------
Django takes several times as long to make this SELECT from a query set as PostgreSQL takes to
answer it, and it is most of what a miss costs. So the ORM makes it once for each connection, and it
is executed with another key each time.

Only where the model's default manager returns a plain query set: one without any condition, of a
class that reads as Django's own does. The query of any other manager is made each time, since it
may depend on the request: a tenant's users, say.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from django.core.exceptions import EmptyResultSet
from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import Query

from usercache.codec import Codec, Values, target_of
from usercache.database import database_of, is_in_transaction
from usercache.identifiers import PK
from usercache.lookup import Source

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

MOST_AFTER_COMMIT: Final = 100
"""Calls that wait for one commit; what is missed beyond them isn't filled by this request."""
_ATTRIBUTE: Final = "_usercache_statement"
"""Of a connection, since converters may refer to it."""
_READING: Final = (
    "__getitem__",
    "__iter__",
    "_chain",
    "_clone",
    "_fetch_all",
    "_filter_or_exclude",
    "_filter_or_exclude_inplace",
    "_values",
    "filter",
    "values_list",
)
"""Methods of a query set that say which rows it reads, and how."""


def load(codec: Codec, by: Mapping[str, Any]) -> Values | None:
    """Return the columns of the row with these values, None where there is none. One query."""
    rows, row = rows_of(codec), None
    if by.keys() == {PK} and _is_plain(rows):
        connection = connections[rows.db]
        with suppress(EmptyResultSet):  # no row can have this key
            row = _get_statement(codec, connection, rows, by[PK]).fetch(connection, by[PK])
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


class _KeyStatement(NamedTuple):
    """`SELECT columns FROM users WHERE key = …`, as one connection understands it."""

    codec: Codec
    sql: str
    converters: Mapping[int, tuple[Sequence[Callable[..., Any]], Any]]
    """By position, what the database's own values are converted by."""

    def fetch(self, connection: BaseDatabaseWrapper, pk: Any) -> Sequence[Any] | None:
        """Return the columns of the row with this key, None if there is none. One query."""
        key = target_of(self.codec.model._meta.pk).get_db_prep_value(pk, connection)
        with connection.cursor() as cursor:
            cursor.execute(self.sql, [key])
            row = cursor.fetchone()
        if row is None or not self.converters:
            return cast("Sequence[Any] | None", row)
        converted = list(row)
        for position, (converters, expression) in self.converters.items():
            for convert in converters:
                converted[position] = convert(converted[position], expression, connection)
        return converted


def _is_plain(rows: "models.QuerySet[models.Model]") -> bool:
    # Whether it reads the rows of its model's table, and all of them.
    query = rows.query
    return (
        type(query) is Query
        and _reads_as_django(type(rows))
        and not query.where
        and not query.alias_map
        and not query.annotations
        and not query.extra
        and not query.extra_tables
        and not query.combinator
        and not query.distinct
        and not query.is_sliced
        and not query.select_for_update
    )


def _get_statement(
    codec: Codec, connection: BaseDatabaseWrapper, rows: "models.QuerySet[models.Model]", pk: Any
) -> _KeyStatement:
    # Of this connection; made of plain rows, with any key that a row can have.
    statement: _KeyStatement | None = vars(connection).get(_ATTRIBUTE)
    if statement is None or statement.codec is not codec:
        query = rows.filter(pk=pk).values_list(*codec.columns).query
        compiler = query.get_compiler(connection=connection)
        sql, _ = compiler.as_sql()
        converters = compiler.get_converters(expression for expression, *_ in compiler.select)
        statement = _KeyStatement(codec, sql, converters)
        setattr(connection, _ATTRIBUTE, statement)
    return statement


@cache
def _reads_as_django(kind: "type[models.QuerySet[Any]]") -> bool:
    return all(getattr(kind, name) is getattr(models.QuerySet, name) for name in _READING)
