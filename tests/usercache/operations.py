"""All that a query set can do to users, and within what: runs on Django's own and on ours."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.db import models, transaction
from django.db.models import Count, Exists, F, OuterRef, Subquery, Value, Window
from django.db.models.functions import Concat, Lower, Now, Rank

from tests.users import User, sql

Users: TypeAlias = Any
"""A query set; unchecked, since much of what is called here is wrong on purpose."""
Operation = Callable[[Users], Any]
Surroundings = Callable[[Callable[[], None]], None]
"""Runs an operation within something."""

FIRST_PK: Final = 1_000_001
"""Where no sequence gets to within a session: a key from there would pass for one of the cast."""
NAMES: Final = ("ada", "ben", "cleo", "dan", "eve", "fay")
MEMBER: Final = User.groups.field.m2m_field_name()
"""What a row of a group's members calls the user."""


def _make_pk(number: int) -> Any:
    return User._meta.pk.to_python(number)


PKS: Final = [_make_pk(FIRST_PK + position) for position in range(len(NAMES))]
ADA, BEN, CLEO, *_ = PKS
NEXT: Final = _make_pk(FIRST_PK + len(NAMES))
ONE_AFTER: Final = _make_pk(FIRST_PK + len(NAMES) + 1)
NOBODY: Final = _make_pk(1)
PARKED: Final = datetime(2026, 1, 1, tzinfo=UTC)
STAFF: Final = "staff"


def alone(run: Callable[[], None]) -> None:
    """Run it in no transaction of ours."""
    run()


def in_savepoint(run: Callable[[], None]) -> None:
    """Run it between two other writes of its transaction."""
    with transaction.atomic():
        User.objects.filter(pk=PKS[2]).update(occupation="before")
        with transaction.atomic():
            run()
        User.objects.filter(pk=PKS[2]).update(occupation="after")


def in_savepoint_rolled_back(run: Callable[[], None]) -> None:
    """Undo it, and commit another write of its transaction."""
    with transaction.atomic():
        with transaction.atomic():
            run()
            transaction.set_rollback(True)
        User.objects.filter(pk=PKS[2]).update(occupation="after")


def with_autocommit_off(run: Callable[[], None]) -> None:
    """Run it, and commit by hand."""
    transaction.set_autocommit(False)
    try:
        run()
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


SURROUNDINGS: Final[list[Surroundings]] = [
    alone,
    in_savepoint,
    in_savepoint_rolled_back,
    with_autocommit_off,
]


Surround = Callable[[int], Surroundings]
"""Gives an operation its surroundings, by its number."""


def each_in_turn(number: int) -> Surroundings:
    """Give each operation one of them, so that all are in use."""
    return SURROUNDINGS[number % len(SURROUNDINGS)]


def _always(surroundings: Surroundings) -> Surround:
    return lambda _number: surroundings


in_surroundings: Final = pytest.mark.parametrize(
    "surround",
    [
        pytest.param(each_in_turn, id="in_turn"),
        *(
            pytest.param(_always(around), id=around.__name__, marks=pytest.mark.long)
            for around in SURROUNDINGS
        ),
    ],
)


def empty_tables() -> None:
    """Delete all users and groups, past every query set of ours."""
    for model in (User.groups.through, Group, User):
        model._base_manager.all()._raw_delete("default")


def make_cast() -> None:
    """Put the same six users and one group into empty tables, past every query set of ours."""
    rows = models.QuerySet[User](User)
    rows.bulk_create(
        User(
            pk=pk,
            email=f"{name}@example.com",
            username=name if position % 2 else None,
            phone=f"+1242555{101 + position:04}",
            first_name=name.title(),
            last_name="Rolle" if position < 4 else "Albury",
            location=("Nassau", "Exuma", "Bimini")[position % 3],
            is_admin=position == 0,
            password="!unusable",
            created_at=PARKED,
        )
        for position, (pk, name) in enumerate(zip(PKS, NAMES, strict=True))
    )
    rows.update(updated_at=PARKED)
    group = Group.objects.create(name=STAFF)
    User.groups.through._base_manager.create(**{f"{MEMBER}_id": PKS[0]}, group=group)
    User.groups.through._base_manager.create(**{f"{MEMBER}_id": PKS[1]}, group=group)


def _saved(users: Users, name: str) -> Any:
    return users.get(email=f"{name}@example.com")


def _change(user: Any, **values: object) -> Any:
    for name, value in values.items():
        setattr(user, name, value)
    return user


def _new(name: str, **values: Any) -> User:
    return User(**({"email": f"{name}@example.com", "password": "!", "first_name": name} | values))


def _upsert(users: Users, **options: Any) -> Any:
    return users.bulk_create(
        [_new("ada", first_name="Upserted"), _new("new")],
        update_conflicts=True,
        **({"update_fields": ["first_name"], "unique_fields": ["email"]} | options),
    )


def _save_through(change: Callable[[User], object]) -> Operation:
    return lambda users: change(_saved(users, "ada"))


def _groups(change: Callable[[Any], object]) -> Operation:
    return lambda users: change(_saved(users, "cleo").groups)


UPDATES: Final[dict[str, Operation]] = {
    "update": lambda users: users.update(first_name="X"),
    "update some": lambda users: users.filter(location="Exuma").update(location="Bimini"),
    "update none": lambda users: users.filter(pk=NOBODY).update(first_name="X"),
    "update of none()": lambda users: users.none().update(first_name="X"),
    "update nothing": lambda users: users.update(),
    "update uncached": lambda users: users.update(last_login=PARKED),
    "update without its filter": lambda users: users.filter(is_active=True).update(is_active=False),
    "update by what it changes": lambda users: users.filter(
        location__in=users.filter(is_admin=True).values("location")
    ).update(is_admin=False),
    "update by F": lambda users: users.update(token_version=F("token_version") + 1),
    "update by annotation": lambda users: users.annotate(
        shout=Concat(F("first_name"), Value("!"))
    ).update(first_name=F("shout")),
    "update by subquery": lambda users: users.update(
        location=Subquery(users.filter(pk=OuterRef("pk")).values("last_name")[:1])
    ),
    "update by exists": lambda users: users.filter(
        Exists(User.groups.through._base_manager.filter(**{MEMBER: OuterRef("pk")}))
    ).update(is_active=False),
    "update the ordered": lambda users: users.order_by("-first_name").update(bio="X"),
    "update the annotated order": lambda users: (
        users.annotate(low=Lower("email")).order_by("-low").update(bio="X")
    ),
    "update ordered by an aggregate": lambda users: (
        users.annotate(n=Count("groups")).order_by("n").update(bio="X")
    ),
    "update by a join": lambda users: users.filter(groups__name=STAFF).update(is_admin=True),
    "update by an aggregate": lambda users: (
        users.annotate(n=Count("groups")).filter(n__gt=0).update(bio="X")
    ),
    "update grouped": lambda users: (
        users.values("location").annotate(n=Count("pk")).filter(n__gt=1).update(bio="X")
    ),
    "update by a window": lambda users: users.update(token_version=Window(Rank())),
    "update with an aggregate": lambda users: users.update(token_version=Count("groups")),
    "update through a join": lambda users: users.update(first_name=F("groups__name")),
    "update values()": lambda users: users.values("first_name").update(bio="X"),
    "update values_list()": lambda users: users.values_list("bio", flat=True).update(bio="X"),
    "update only()": lambda users: users.only("bio").update(bio="X"),
    "update defer()": lambda users: users.defer("bio").update(bio="X"),
    "update dates()": lambda users: users.dates("created_at", "day").update(bio="X"),
    "update prefetched": lambda users: users.prefetch_related("groups").update(bio="X"),
    "update extra()": lambda users: users.extra(where=["last_name = 'Rolle'"]).update(bio="X"),
    "update distinct()": lambda users: users.distinct().update(bio="X"),
    "update distinct fields": lambda users: users.distinct("last_name").update(bio="X"),
    "update distinct fields, joined": lambda users: (
        users.filter(groups__name=STAFF).distinct("last_name").update(bio="X")
    ),
    "update locked": lambda users: users.select_for_update(nowait=True).update(bio="X"),
    "update reversed": lambda users: users.reverse().update(bio="X"),
    "update a slice": lambda users: users[:2].update(bio="X"),
    "update a union": lambda users: users.union(users).update(bio="X"),
    "update excluded": lambda users: users.exclude(location="Nassau").update(bio="X"),
    "update complex": lambda users: (users.filter(pk=ADA) | users.filter(pk=BEN)).update(bio="X"),
    "update using()": lambda users: users.using("default").update(bio="X"),
    "update elsewhere": lambda users: users.using("nowhere").update(bio="X"),
    "update no field": lambda users: users.update(first_name="X", shoe_size=43),
    "update a relation": lambda users: users.update(first_name="X", groups=1),
    "update a reverse relation": lambda users: users.update(first_name="X", login_sessions=1),
    "update with an instance": lambda users: users.update(token_version=Group()),
    "update with a wrong type": lambda users: users.update(token_version="many"),
    "update with too much": lambda users: users.update(token_version=2**40),
    "update with too long": lambda users: users.update(first_name="x" * 200),
    "update with null": lambda users: users.update(first_name=None),
    "update to a duplicate": lambda users: users.update(email="ada@example.com"),
    "update against a constraint": lambda users: users.filter(pk=ADA).update(phone="242"),
    "update by a wrong filter": lambda users: users.extra(where=["1 / 0 = 1"]).update(bio="X"),
    "update the key": lambda users: users.filter(pk=PKS[5]).update(pk=NEXT),
    "update to now": lambda users: users.filter(pk=NOBODY).update(updated_at=Now()),
    "update through a relation": lambda _users: Group.objects.get(name=STAFF).user_set.update(
        first_name="X"
    ),
    "aupdate": lambda users: async_to_sync(users.aupdate)(first_name="X"),
}

BULK: Final[dict[str, Operation]] = {
    "bulk_update": lambda users: users.bulk_update(
        [_change(user, first_name=user.email) for user in users.order_by("pk")],
        ["first_name", "bio"],
        batch_size=2,
    ),
    "bulk_update filtered": lambda users: users.filter(is_admin=True).bulk_update(
        [_change(user, is_admin=False) for user in users.order_by("pk")], ["is_admin"]
    ),
    "bulk_update by F": lambda users: users.bulk_update(
        [_change(user, token_version=F("token_version") + 1) for user in users.order_by("pk")],
        ["token_version"],
    ),
    "bulk_update nobody": lambda users: users.bulk_update([], ["first_name"]),
    "bulk_update a generator": lambda users: users.bulk_update(
        (_change(user, bio="X") for user in users.order_by("pk")), iter(["bio"])
    ),
    "bulk_update no fields": lambda users: users.bulk_update(list(users), []),
    "bulk_update no field": lambda users: users.bulk_update(list(users), ["shoe_size"]),
    "bulk_update the key": lambda users: users.bulk_update(list(users), ["id"]),
    "bulk_update unsaved": lambda users: users.bulk_update([_new("new")], ["bio"]),
    "bulk_update by zero": lambda users: users.bulk_update(list(users), ["bio"], batch_size=0),
    "bulk_update a relation": lambda users: users.bulk_update(list(users), ["groups"]),
    "bulk_update to duplicates": lambda users: users.bulk_update(
        [_change(user, email="same@example.com") for user in users.order_by("pk")], ["email"]
    ),
    "bulk_update no users": lambda users: users.bulk_update(None, ["bio"]),
    "abulk_update": lambda users: async_to_sync(users.abulk_update)(
        [_change(_saved(users, "ada"), bio="X")], ["bio"]
    ),
    "bulk_create": lambda users: users.bulk_create([_new("new"), _new("newer")]),
    "bulk_create with keys": lambda users: users.bulk_create([_new("new", pk=NEXT), _new("newer")]),
    "bulk_create a generator": lambda users: users.bulk_create(_new(n) for n in ("new", "newer")),
    "bulk_create nobody": lambda users: users.bulk_create([]),
    "bulk_create an empty tuple": lambda users: users.bulk_create(()),
    "bulk_create None": lambda users: users.bulk_create(None),
    "bulk_create by zero": lambda users: users.bulk_create([_new("new")], batch_size=0),
    "bulk_create a duplicate": lambda users: users.bulk_create([_new("new"), _new("ada")]),
    "bulk_create ignoring": lambda users: users.bulk_create(
        [_new("ada"), _new("new")], ignore_conflicts=True
    ),
    "bulk_create ignoring, with keys": lambda users: users.bulk_create(
        [_new("ada", pk=ADA), _new("new", pk=NEXT)], ignore_conflicts=True
    ),
    "bulk_create both": lambda users: _upsert(users, ignore_conflicts=True),
    "upsert": _upsert,
    "upsert by key": lambda users: users.bulk_create(
        [_new("other", pk=ADA), _new("new", pk=NEXT)],
        update_conflicts=True,
        update_fields=["email", "first_name"],
        unique_fields=["pk"],
    ),
    "upsert by NULL": lambda users: users.bulk_create(
        [_new("new", username=None)],
        update_conflicts=True,
        update_fields=["first_name"],
        unique_fields=["username"],
    ),
    "upsert normalised": lambda users: users.bulk_create(
        [User(email=" ADA@Example.com ", password="!", first_name="Upserted")],
        update_conflicts=True,
        update_fields=["first_name"],
        unique_fields=["email"],
    ),
    "upsert without fields": lambda users: _upsert(users, update_fields=None),
    "upsert without unique fields": lambda users: _upsert(users, unique_fields=None),
    "upsert no field": lambda users: _upsert(users, unique_fields=["shoe_size"]),
    "upsert a relation": lambda users: _upsert(users, update_fields=["groups"]),
    "upsert by what is not unique": lambda users: _upsert(users, unique_fields=["last_name"]),
    "upsert twice": lambda users: users.bulk_create(
        [_new("new"), _new("new")],
        update_conflicts=True,
        update_fields=["first_name"],
        unique_fields=["email"],
    ),
    "abulk_create": lambda users: async_to_sync(users.abulk_create)([_new("new")]),
}

SINGLE: Final[dict[str, Operation]] = {
    "create": lambda users: users.create(email="new@example.com", password="!"),
    "create with a key": lambda users: users.create(pk=NEXT, email="new@example.com", password="!"),
    "create a duplicate": lambda users: users.create(email="ada@example.com", password="!"),
    "create no field": lambda users: users.create(shoe_size=43),
    "acreate": lambda users: async_to_sync(users.acreate)(email="new@example.com", password="!"),
    "get_or_create there": lambda users: users.get_or_create(email="ada@example.com"),
    "get_or_create new": lambda users: users.get_or_create(
        email="new@example.com", defaults={"first_name": "New"}
    ),
    "get_or_create no field": lambda users: users.get_or_create(
        email="new@example.com", defaults={"shoe_size": 43}
    ),
    "aget_or_create": lambda users: async_to_sync(users.aget_or_create)(email="new@example.com"),
    "update_or_create there": lambda users: users.update_or_create(
        email="ada@example.com", defaults={"first_name": "X"}
    ),
    "update_or_create new": lambda users: users.update_or_create(
        email="new@example.com",
        defaults={"first_name": "X"},
        create_defaults={"first_name": lambda: "New"},
    ),
    "update_or_create a duplicate": lambda users: users.update_or_create(
        email="ada@example.com", defaults={"phone": "+12425550102"}
    ),
    "aupdate_or_create": lambda users: async_to_sync(users.aupdate_or_create)(
        email="ada@example.com", defaults={"first_name": "X"}
    ),
    "save": _save_through(lambda user: _change(user, first_name="X", phone="242-555-7777").save()),
    "save some": _save_through(
        lambda user: _change(user, bio="X", first_name="X").save(update_fields=["bio"])
    ),
    "save by F": _save_through(
        lambda user: _change(user, token_version=F("token_version") + 1).save()
    ),
    "save a duplicate": _save_through(lambda user: _change(user, email="ben@example.com").save()),
    "asave": _save_through(lambda user: async_to_sync(_change(user, bio="X").asave)()),
    "save locked": lambda users: _change(
        users.select_for_update().order_by("pk").first() or User(), bio="X"
    ).save(),
    "save deferred": lambda users: _change(users.only("bio").get(pk=ADA), bio="X").save(),
    "save raw()": lambda users: [
        _change(user, bio="X").save()
        for user in users.raw(sql("SELECT * FROM {users} WHERE {email} < 'cleo'"))
    ],
    "save under another key": _save_through(lambda user: _change(user, pk=BEN).save()),
    "delete an instance": _save_through(lambda user: user.delete()),
    "adelete an instance": _save_through(lambda user: async_to_sync(user.adelete)()),
    "delete": lambda users: users.filter(location="Exuma").delete(),
    "delete all": lambda users: users.all().delete(),
    "delete a slice": lambda users: users[:1].delete(),
    "delete values()": lambda users: users.values("pk").delete(),
    "delete distinct fields": lambda users: users.distinct("last_name").delete(),
    "delete a union": lambda users: users.union(users).delete(),
    "adelete": lambda users: async_to_sync(users.filter(pk=ADA).adelete)(),
    "_raw_delete": lambda users: users.filter(pk=PKS[5])._raw_delete("default"),
    "groups add": _groups(lambda groups: groups.add(Group.objects.get())),
    "groups set": _groups(lambda groups: groups.set([Group.objects.create(name="chefs")])),
    "groups clear": _groups(lambda groups: groups.clear()),
    "groups remove": lambda users: _saved(users, "ada").groups.remove(Group.objects.get()),
    "group's users add": lambda users: Group.objects.get().user_set.add(_saved(users, "dan")),
    "group's users create": lambda _users: Group.objects.get().user_set.create(
        email="new@example.com", password="!"
    ),
    "group's users set": lambda users: Group.objects.get().user_set.set(users.filter(pk__gt=CLEO)),
    "group's users delete": lambda _users: Group.objects.get().user_set.all().delete(),
}

READS: Final[dict[str, Operation]] = {
    "in_bulk": lambda users: users.order_by("pk").in_bulk([ADA, CLEO, NOBODY]),
    "in_bulk by email": lambda users: users.in_bulk(["ada@example.com"], field_name="email"),
    "in_bulk by what is not unique": lambda users: users.in_bulk(["X"], field_name="bio"),
    "in_bulk of a slice": lambda users: users[:2].in_bulk(),
    "ain_bulk": lambda users: async_to_sync(users.ain_bulk)([ADA]),
    "raw": lambda users: list(users.raw(sql("SELECT * FROM {users} ORDER BY {pk} LIMIT 2"))),
    "select_for_update": lambda users: list(users.select_for_update().order_by("pk")),
    "iterator": lambda users: list(users.order_by("pk").iterator(chunk_size=2)),
    "union": lambda users: list(users.filter(pk=ADA).union(users.filter(pk=BEN)).order_by("pk")),
    "difference": lambda users: list(users.difference(users.filter(pk__gt=BEN)).order_by("pk")),
    "explain": lambda users: bool(users.filter(pk=ADA).explain()),
    "earliest": lambda users: users.earliest("email"),
    "latest": lambda users: users.latest("email"),
    "latest of what is unsaid": lambda users: users.latest(),
    "first": lambda users: users.first(),
    "aggregate": lambda users: users.aggregate(n=Count("pk")),
    "exists": lambda users: users.filter(pk=ADA).exists(),
    "contains": lambda users: users.contains(_saved(users, "ada")),
    "get nobody": lambda users: users.get(pk=NOBODY),
    "get several": lambda users: users.get(last_name="Rolle"),
}

WRITES: Final = {"updates": UPDATES, "bulk": BULK, "single": SINGLE}
OPERATIONS: Final = WRITES | {"reads": READS}
