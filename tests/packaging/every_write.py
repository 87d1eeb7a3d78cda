"""Change users by every means that there is, and see that look-ups follow: run in a project.

Its arguments are the cached column to change, and how bulk writes are seen: "announced" by the
model's manager, or "relayed" by PostgreSQL's triggers.
"""

import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import django
from django.contrib.auth import get_user_model
from django.db import connection, models

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.01
NEW_ID = 1_000_003


def main(column: str, bulk: str) -> None:
    """Do it all."""
    # Not before django.setup().
    from usercache.users import get_user_by_id, invalidate_user  # noqa: PLC0415

    model: Any = get_user_model()  # of whatever project
    login, pk_field = model.USERNAME_FIELD, model._meta.pk
    is_relayed = connection.vendor == "postgresql"

    def expect(pk: object, value: str | None, *, at_once: bool = True) -> None:
        deadline = time.monotonic() + (0 if at_once else WAIT_SECONDS)
        while (found := getattr(get_user_by_id(pk), column, None)) != value:
            assert time.monotonic() < deadline, f"{pk}: {column} is {found!r}, not {value!r}"
            time.sleep(POLL_SECONDS)
        assert getattr(get_user_by_id(pk), column, None) == value  # from the cache, too

    announced = bulk == "announced"
    user = model.objects.create_user(**{login: "means"}, password="conch-salad-at-noon")
    pk, rows = user.pk, model.objects.filter(pk=user.pk)

    def change(value: str, *, at_once: bool, how: Callable[[], object]) -> None:
        assert get_user_by_id(pk) is not None  # cached
        how()
        expect(pk, value, at_once=at_once)

    def assign(value: str) -> Any:
        setattr(user, column, value)
        return user

    change("save", at_once=True, how=lambda: assign("save").save())
    change("field", at_once=True, how=lambda: assign("field").save(update_fields=[column]))
    change("update", at_once=announced, how=lambda: rows.update(**{column: "update"}))
    change(
        "bulk",
        at_once=announced,
        how=lambda: model.objects.bulk_update([assign("bulk")], [column]),
    )
    change(
        "upsert",
        at_once=announced,
        how=lambda: model.objects.bulk_create(
            [assign("upsert")],
            update_conflicts=True,
            update_fields=[column],
            unique_fields=[pk_field.name],
        ),
    )

    def write_sql() -> None:
        quote = connection.ops.quote_name
        table, name = quote(model._meta.db_table), quote(model._meta.get_field(column).column)
        key = pk_field.get_db_prep_value(pk, connection)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET {name} = 'sql' WHERE {quote(pk_field.column)} = %s",
                [key],
            )
        if not is_relayed:
            invalidate_user(pk)

    change("sql", at_once=not is_relayed, how=write_sql)

    new_pk = uuid.uuid4() if isinstance(pk_field, models.UUIDField) else NEW_ID
    expect(new_pk, None)
    model.objects.bulk_create([model(pk=new_pk, **{login: "created", column: "created"})])
    expect(new_pk, "created", at_once=announced)
    model.objects.filter(pk=new_pk).delete()
    expect(new_pk, None)
    user.delete()
    expect(pk, None)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
