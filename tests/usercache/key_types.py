"""User models of every kind of key, and the ways to spell one of theirs."""

import uuid
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group
from django.db import models
from pytest_django import Settings

from usercache.orm import signals
from usercache.orm.querysets import CachedUserQuerySet

A_UUID: Final = uuid.UUID("0f0e0d0c-0b0a-0908-0706-050403020100")


class KeyType(NamedTuple):
    """A user model, and one key of it."""

    model: Any
    pk: Any
    """As the database returns it."""
    asked: tuple[Any, ...]
    """Ways to ask for it, all of which Django's own filters understand."""
    written: tuple[Any, ...] = ()
    """Further ways, by which a row may be saved."""
    strangers: tuple[Any, ...] = ()
    """What looks alike and is nobody's."""

    def use(self, settings: Settings) -> "KeyType":
        """Let this be the user model for as long as the settings say so."""
        settings.AUTH_USER_MODEL = self.model._meta.label
        settings.USERCACHE_TOKEN_VERSION_FIELD = ""
        settings.USERCACHE_FIELDS = (self.model._meta.pk.attname, "name", "is_active")
        signals.connect()
        return self


class LowerCaseField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """A key that is normalised as an email may be."""

    def get_prep_value(self, value: Any) -> str:
        """Return it in lower case."""
        return str(super().get_prep_value(value)).lower()


def _make(name: str, key: "models.Field[Any, Any]") -> Any:
    members = {
        "__module__": __name__,
        "__doc__": "A user.",
        "id": key,
        "name": models.CharField(max_length=20, default="", unique=True),
        "is_active": models.BooleanField(default=True),
        "USERNAME_FIELD": "name",
        "objects": CachedUserQuerySet.as_manager(),
        "Meta": type("Meta", (), {"app_label": "usercache", "db_table": f"test_{name.lower()}"}),
    }
    return type(name, (AbstractBaseUser,), members)


_INTEGERS: Final[dict[str, Any]] = {
    "asked": (7, "7", "007", " 7 ", "\u0667", "0_7"),
    "written": (7.0, 7.9, Decimal(7)),
    "strangers": (True, 7.0, Decimal(7), Decimal("Infinity"), "7.0", "x", 2**70, A_UUID, None, ""),
}

KEY_TYPES: Final = {
    "AutoField": KeyType(_make("AutoUser", models.AutoField(primary_key=True)), 7, **_INTEGERS),
    "BigAutoField": KeyType(
        _make("BigUser", models.BigAutoField(primary_key=True)), 7, **_INTEGERS
    ),
    "SmallAutoField": KeyType(
        _make("SmallUser", models.SmallAutoField(primary_key=True)),
        7,
        **_INTEGERS | {"strangers": (*_INTEGERS["strangers"], 40_000)},
    ),
    "BigIntegerField": KeyType(
        _make("NumberedUser", models.BigIntegerField(primary_key=True)), 7, **_INTEGERS
    ),
    "CharField": KeyType(
        _make("NamedUser", models.CharField(primary_key=True, max_length=20)),
        "7",
        asked=("7", 7),
        strangers=("07", " 7", "7 ", True, 7.0, "\0", "\ud800", "7" * 21),
    ),
    "CharField that normalises": KeyType(
        _make("LowerUser", LowerCaseField(primary_key=True, max_length=20)),
        "ada",
        asked=("ada", "Ada", "ADA"),
        strangers=("ada ",),
    ),
    "UUIDField": KeyType(
        _make("UuidUser", models.UUIDField(primary_key=True)),
        A_UUID,
        asked=(A_UUID, str(A_UUID), A_UUID.hex, str(A_UUID).upper(), A_UUID.urn, A_UUID.int),
        strangers=(7, "7", True, -1, 2**200, [], "x" * 36),
    ),
    "OneToOneField": KeyType(
        _make(
            "MemberUser",
            models.OneToOneField(
                Group,
                to_field="name",
                primary_key=True,
                on_delete=models.CASCADE,
                related_name="+",
                db_constraint=False,
            ),
        ),
        "7",
        asked=("7", 7),
        strangers=("07", True, "7" * 151),
    ),
}
