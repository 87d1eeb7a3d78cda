"""The statement that loads one user by their key, made once for each connection.

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
from functools import cache
from typing import Any, Final, NamedTuple, cast

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import Query

from usercache.codec import Codec, target_of

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


class KeyStatement(NamedTuple):
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


def is_plain(rows: "models.QuerySet[models.Model]") -> bool:
    """Return whether a query set reads the rows of its model's table, and all of them."""
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


def get_statement(
    codec: Codec, connection: BaseDatabaseWrapper, rows: "models.QuerySet[models.Model]", pk: Any
) -> KeyStatement:
    """Return the connection's statement for this codec; made from plain rows, with any key.

    Raises:
        EmptyResultSet: no row can have this key.
    """
    statement: KeyStatement | None = vars(connection).get(_ATTRIBUTE)
    if statement is None or statement.codec is not codec:
        statement = _make(codec, connection, rows, pk)
        setattr(connection, _ATTRIBUTE, statement)
    return statement


def _make(
    codec: Codec, connection: BaseDatabaseWrapper, rows: "models.QuerySet[models.Model]", pk: Any
) -> KeyStatement:
    query = rows.filter(pk=pk).values_list(*codec.columns).query
    compiler = query.get_compiler(connection=connection)
    sql, _ = compiler.as_sql()
    converters = compiler.get_converters(expression for expression, *_ in compiler.select)
    return KeyStatement(codec, sql, converters)


@cache
def _reads_as_django(kind: "type[models.QuerySet[Any]]") -> bool:
    return all(getattr(kind, name) is getattr(models.QuerySet, name) for name in _READING)
