"""The user model of this run's settings: the core's tests run on several."""

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import connection

if TYPE_CHECKING:
    from accounts.models import User
else:
    User = get_user_model()

__all__ = ["User", "sql"]


def sql(statement: str) -> str:
    """Put in what the table and its columns are called: `UPDATE {users} SET {phone} = NULL`."""
    quote, meta = connection.ops.quote_name, User._meta
    columns = {field.name: quote(str(field.column)) for field in meta.concrete_fields}
    return statement.format(users=quote(meta.db_table), pk=quote(str(meta.pk.column)), **columns)
