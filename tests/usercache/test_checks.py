"""System checks: each mistake has an id and a hint, and our own settings have none."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models
from django.db.models import Count, Exists, F, Q, QuerySet
from django.db.models.functions import Lower, Now
from pytest_django import Settings

from accounts.models import UserManager
from tests.sizes import some_of
from tests.usercache.checked import ids
from tests.usercache.key_types import KEY_TYPES
from tests.users import User
from usercache.checks.backends import check_shadow, check_vendor
from usercache.checks.whitelist import SECRET_NAMES, check_key
from usercache.conf import SETTINGS
from usercache.observability.checks import check_dashboard


def test_own_settings_are_clean() -> None:
    """The project passes its own checks."""
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("USERCACHE_TTL_SECONDS", "300", "E001"),
        ("USERCACHE_TTL_SECONDS", True, "E001"),
        ("USERCACHE_TTL_SECONDS", None, "E001"),
        ("USERCACHE_TTL_SECONDS", 0, "E002"),
        ("USERCACHE_TTL_SECONDS", float("nan"), "E002"),
        ("USERCACHE_TTL_SECONDS", float("inf"), "E002"),
        ("USERCACHE_TTL_JITTER", 0.6, "E002"),
        ("USERCACHE_NEGATIVE_TTL_SECONDS", -1, "E002"),
        ("USERCACHE_MEMORY_TTL_SECONDS", 61, "E002"),
        ("USERCACHE_FILL_LOCK_TTL_SECONDS", 0, "E002"),
        ("USERCACHE_FILL_LOCK_WAIT_SECONDS", -0.1, "E002"),
        ("USERCACHE_WRITE_MARKER_WAIT_SECONDS", 61, "E002"),
        ("USERCACHE_WRITE_MARKER_TTL_SECONDS", 0, "E002"),
        ("USERCACHE_METRICS_FLUSH_SECONDS", 0, "E002"),
        ("USERCACHE_AUDIT_SHARE", 1.1, "E002"),
        ("USERCACHE_WAIT_REPLICAS", 1.5, "E001"),
        ("USERCACHE_WAIT_REPLICAS", -1, "E002"),
        ("USERCACHE_TTL", 300, "W003"),
        ("USERCACHE_SIGNING_KEY", "", "E004"),
        ("USERCACHE_SIGNING_KEY", "k" * 31, "E004"),
        ("USERCACHE_SIGNING_KEY_FALLBACKS", ("k" * 32, "k" * 31), "E004"),
        ("USERCACHE_MEMORY_ALIAS", "nowhere", "E010"),
        ("USERCACHE_REDIS_ALIAS", "nowhere", "E011"),
        ("USERCACHE_LISTEN_ALIAS", "nowhere", "E049"),
        ("USERCACHE_REDIS_ALIAS", "default", "E011"),
        ("USERCACHE_METRICS_TOKEN", "k" * 31, "E022"),
        ("USERCACHE_METRICS_NETWORKS", ("10.0.0.1/8",), "E023"),
        ("USERCACHE_METRICS_NETWORKS", ("localhost",), "E023"),
    ],
)
def test_wrong_setting(settings: Settings, name: str, value: object, expected: str) -> None:
    """A setting that is mistyped, out of range, unknown or leads nowhere is said so by id."""
    setattr(settings, name, value)
    assert ids() == [f"usercache.{expected}"]


WRONG_TYPES: dict[type, tuple[object, ...]] = {
    str: (5, None, b"text", ("text",)),
    bool: (1, None, "yes"),
    int: (1.5, None, "1", True),
    float: (None, "1", True),
    tuple: (5, None, "id", (5,), {"id": 1}),
}


@pytest.mark.parametrize(
    "case",
    some_of(
        (name, value) for name, s in SETTINGS.items() for value in WRONG_TYPES[type(s.default)]
    ),
)
def test_setting_of_another_type_is_reported_alone(
    settings: Settings, case: tuple[str, object]
) -> None:
    """A value of the wrong type is an error that names the setting, never a traceback."""
    name, value = case
    setattr(settings, name, value)
    assert ids() == ["usercache.E001"]
    [message] = [m for m in run_checks() if m.id == "usercache.E001"]
    assert message.msg.startswith(name)


def test_metrics_say_which_extra_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app of the metrics does not start without its libraries, and says how to get them."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ImproperlyConfigured, match=r"prometheus_client.*django-usercache\[metrics"):
        apps.get_app_config("usercache_observability").ready()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda fields: (*fields, "shoe_size"), "E005"),
        (lambda fields: (*fields, "password"), "E006"),
        (lambda fields: tuple(f for f in fields if f != "id"), "E008"),
        (lambda fields: tuple(f for f in fields if f != "is_active"), "E008"),
        (lambda fields: tuple(f for f in fields if f != "token_version"), "E008"),
        (lambda fields: tuple(f for f in fields if f != "ended_sessions"), "E008"),
    ],
    ids=["no column", "secret", "no id", "no is_active", "no token_version", "no ended_sessions"],
)
def test_wrong_whitelist(
    settings: Settings, change: Callable[[tuple[str, ...]], tuple[str, ...]], expected: str
) -> None:
    """A column that is a secret, or none, or missing and needed, is an error."""
    settings.USERCACHE_FIELDS = change(settings.USERCACHE_FIELDS)
    assert ids() == [f"usercache.{expected}"]


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "hashed_password",
        "password_hash",
        "totp_secret",
        "otp_secret",
        "two_factor_2fa",
        "api_key",
        "apikey",
        "oauth_token",
        "access_tokens",
        "private_key",
        "recovery_pin",
        "credentials",
    ],
)
def test_what_looks_like_a_secret(name: str) -> None:
    """The names under which secrets usually stand are recognised."""
    assert SECRET_NAMES.search(name)


def test_own_columns_dont_look_like_secrets(settings: Settings) -> None:
    """No column of ours is taken for a secret."""
    assert [name for name in settings.USERCACHE_FIELDS if SECRET_NAMES.search(name)] == []


def test_column_that_cannot_be_cached(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column of a type that has no way through an entry is an error at start-up."""
    monkeypatch.setattr(User._meta.get_field("bio"), "get_internal_type", lambda: "GeometryField")
    assert ids() == ["usercache.E007"]


def test_fingerprint_of_no_password(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without passwords has no fingerprints of them."""
    settings.USERCACHE_PASSWORD_FINGERPRINT = True
    assert ids() == []
    monkeypatch.setattr(User._meta.get_field("password"), "attname", "secret")
    assert ids() == ["usercache.E053"]


def test_identifier_that_is_not_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the email of Django's own user, it may be cached: nobody is looked up by it."""
    monkeypatch.setitem(User._meta.get_field("phone").__dict__, "unique", False)
    assert ids() == []


@pytest.mark.parametrize(
    "setting", ["USERCACHE_TOKEN_VERSION_FIELD", "USERCACHE_ENDED_SESSIONS_FIELD"]
)
@pytest.mark.parametrize(
    ("column", "hint"), [("shoe_size", "no such column"), ("last_login", "Add it.")]
)
def test_column_of_tokens(settings: Settings, setting: str, column: str, hint: str) -> None:
    """A column that tokens are compared with must be cached, if the model has it."""
    setattr(settings, setting, column)
    [message] = run_checks()
    assert message.id == "usercache.E008"
    assert hint in str(message.hint)


def test_model_without_is_active(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's AbstractBaseUser has it as an attribute that is always True."""
    fields = [f for f in User._meta.concrete_fields if f.name != "is_active"]
    monkeypatch.setitem(vars(User._meta), "concrete_fields", fields)
    settings.USERCACHE_FIELDS = tuple(f for f in settings.USERCACHE_FIELDS if f != "is_active")
    assert ids() == []


def test_connection_that_is_always_in_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """AUTOCOMMIT off would make every look-up a miss; ATOMIC_REQUESTS doesn't."""
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    assert ids() == []
    monkeypatch.setitem(connections["default"].settings_dict, "AUTOCOMMIT", False)
    assert ids() == ["usercache.E015"]


def test_shadow_without_what_it_needs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the switch that keeps users out nor the comparison exists without them."""
    settings.USERCACHE_SHADOW_SHARE = 0.1
    settings.USERCACHE_REDIS_ALIAS = "usercache"
    assert check_shadow() == []
    settings.USERCACHE_REDIS_ALIAS = ""
    assert [message.id for message in check_shadow()] == ["usercache.W061"]
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "usercache.observability")
    assert [message.id for message in check_shadow()] == ["usercache.W061"] * 2
    settings.USERCACHE_SHADOW_SHARE = 0.0
    assert check_shadow() == []


def test_manager_that_announces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default manager with Django's own query set is warned of."""
    monkeypatch.setattr("usercache.checks.whitelist.CachedUserQuerySet", type("Other", (), {}))
    assert ids() == ["usercache.W016"]


def test_dashboard_that_lacks_something(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page without its template or its styles is warned of, by what to add."""
    installed = {"django.contrib.admin"}
    monkeypatch.setattr(apps, "is_installed", installed.__contains__)
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"APP_DIRS": False}]
    hints = [message.hint for message in check_dashboard()]
    assert [str(hint).split()[0] for hint in hints] == ["Add", "Set"]
    installed.clear()
    assert list(check_dashboard()) == []


def show(manager: str, rows: QuerySet[User], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the default manager, or `objects`, show these rows."""
    other = UserManager()
    other.model, other.name = User, "other"
    monkeypatch.setattr(other, "get_queryset", lambda: rows)
    if manager == "objects":
        monkeypatch.setattr(User, "objects", other)
    else:
        monkeypatch.setattr(User._meta, "default_manager", other)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (lambda: User.objects.filter(location="", is_active=True), []),
        (lambda: User.objects.exclude(Q(location="x") | Q(bio__startswith=F("email"))), []),
        (lambda: User.objects.filter(username__in=["a", "b"]).order_by("last_login"), []),
        (lambda: User.objects.exclude(email=Lower("username")), []),
        (lambda: User.objects.only("email").select_related(None), []),
        (User.objects.none, ["E043"]),
        (lambda: User.objects.filter(last_login=None), ["E043"]),
        (lambda: User.objects.filter(groups__name="x"), ["E043"]),
        (lambda: User.objects.exclude(groups__name="x"), ["E043"]),
        (lambda: User.objects.filter(created_at__lt=Now()), ["E043"]),
        (lambda: User.objects.filter(Exists(Group.objects.all())), ["E043"]),
        (lambda: User.objects.filter(pk__in=Group.objects.values("pk")), ["E043"]),
        (lambda: User.objects.extra(where=["1=1"]), ["E043"]),
        (lambda: User.objects.all()[:5], ["E043"]),
        (lambda: User.objects.union(User.objects.all()), ["E043"]),
        (lambda: User.objects.annotate(Count("pk")), ["E043"]),
    ],
)
def test_default_manager_that_hides_users(
    monkeypatch: pytest.MonkeyPatch, rows: Callable[[], QuerySet[User]], expected: list[str]
) -> None:
    """Watched columns of the row itself may hide a user; what changes unheard may not."""
    query = rows()
    show("default", query, monkeypatch)
    monkeypatch.setattr(User, "objects", User._default_manager)
    assert ids() == [f"usercache.{name}" for name in expected]


@pytest.mark.parametrize("manager", ["default", "objects"])
def test_managers_that_hide_differently(monkeypatch: pytest.MonkeyPatch, manager: str) -> None:
    """Users that simplejwt doesn't find, the cache must not find either."""
    show(manager, User.objects.filter(location=""), monkeypatch)
    assert ids() == ["usercache.E044"]


@pytest.mark.parametrize(
    ("shared", "tenants", "expected"),
    [
        (None, None, ["E045"]),
        ((), ("accounts",), ["E045"]),
        (("accounts",), ("accounts",), ["E045"]),
        (("accounts",), (), []),
        (("accounts.apps.AccountsConfig",), ("usercache",), []),
    ],
)
def test_schema_per_tenant(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    shared: object,
    tenants: object,
    expected: list[str],
) -> None:
    """A user table in each tenant's schema is refused, one that they share isn't."""
    assert ids() == []
    monkeypatch.setattr(connections["default"], "schema_name", "public", raising=False)
    for name, value in (("SHARED_APPS", shared), ("TENANT_APPS", tenants)):
        if value is not None:
            setattr(settings, name, value)
    assert ids() == [f"usercache.{name}" for name in expected]


def test_every_message_says_what_to_do(settings: Settings) -> None:
    """No check only complains; and none shows a key."""
    settings.USERCACHE_SIGNING_KEY = "short and secret"
    settings.USERCACHE_FIELDS = ("password", "nothing")
    settings.USERCACHE_MEMORY_ALIAS = "nowhere"
    messages = [m for m in run_checks() if m.id and m.id.startswith("usercache.")]
    assert len(messages) >= 4
    assert all(m.hint for m in messages)
    assert "short and secret" not in "".join(map(str, messages))


@pytest.mark.parametrize("name", KEY_TYPES)
def test_keys_with_one_spelling(name: str, settings: Settings) -> None:
    """Integers, UUIDs and plain text are keys."""
    KEY_TYPES[name].use(settings)
    assert check_key() == []


@pytest.mark.parametrize(
    "field",
    [
        models.DecimalField(max_digits=9, decimal_places=2),
        models.DateTimeField(),
        models.CharField(max_length=9, db_collation="nocase"),
    ],
    ids=lambda field: type(field).__name__,
)
def test_key_of_several_spellings(
    field: "models.Field[Any, Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the database may call equal though it is spelled otherwise is refused."""
    monkeypatch.setattr(User._meta, "pk", field)
    assert [message.id for message in check_key()] == ["usercache.E047"]


def test_key_that_is_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the column holds in another form is refused: the triggers would tell that one."""

    class ShownField(models.IntegerField):  # type: ignore[type-arg]  # generic in the stubs only
        def from_db_value(self, value: int, *_context: object) -> str:
            return f"user-{value}"

    monkeypatch.setattr(User._meta, "pk", ShownField(primary_key=True))
    [message] = check_key()
    assert message.id == "usercache.E047"
    assert "whose values aren't those of its column" in message.msg


def test_database_on_which_nothing_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what isn't heard there, an upsert that can't name its target among it."""
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    [message] = check_vendor()
    assert message.id == "usercache.W048"
    assert "update_conflicts" in message.msg
