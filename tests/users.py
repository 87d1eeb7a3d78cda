"""The user model of this run's settings: the core's tests run on several."""

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import connection

from usercache.codec import get_codec

if TYPE_CHECKING:
    from accounts.models import User
else:
    User = get_user_model()

__all__ = ["User", "off_the_whitelist", "sql"]


def sql(statement: str) -> str:
    """Put in what the table and its columns are called: `UPDATE {users} SET {phone} = NULL`."""
    quote, meta = connection.ops.quote_name, User._meta
    columns = {field.name: quote(str(field.column)) for field in meta.concrete_fields}
    return statement.format(users=quote(meta.db_table), pk=quote(str(meta.pk.column)), **columns)


def off_the_whitelist() -> set[str]:
    """Return the columns that no record has, the password's among them."""
    columns = {field.attname for field in User._meta.concrete_fields}
    return columns.difference(get_codec().fields)
