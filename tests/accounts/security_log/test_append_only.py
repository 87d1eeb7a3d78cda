"""Events can't be changed, nor deleted before their time."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import Error, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.security_log import retention
from accounts.security_log.checks import check_retention
from accounts.security_log.models import Event, SecurityEvent
from accounts.security_log.recording import record

pytestmark = pytest.mark.django_db(transaction=True)

ALLOWED = "SELECT set_config('security_log.pruning', 'on', true); "


def add_events(user: User, *ages_days: int) -> None:
    """Add events that are so many days old; the owner of the table alone can."""
    is_guarded = connection.vendor == "postgresql"
    with transaction.atomic(), connection.cursor() as cursor:
        for switch in ("DISABLE", "ENABLE"):
            if is_guarded:
                cursor.execute(f"ALTER TABLE security_events {switch} TRIGGER USER")
            for days in ages_days if switch == "DISABLE" else ():
                at = timezone.now() - timedelta(days=days)
                SecurityEvent.objects.create(
                    at=at, event=Event.SESSION_STARTED, user=user, about=str(days)
                )


def ages() -> list[int]:
    texts = SecurityEvent.objects.order_by("pk").values_list("about", flat=True)
    return list(map(int, texts))


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE security_events SET about = 'x'",
        "UPDATE security_events SET user_id = 1",
        "DELETE FROM security_events",
        "TRUNCATE security_events",
        f"{ALLOWED} UPDATE security_events SET about = 'x'",
        f"{ALLOWED} TRUNCATE security_events",
        f"{ALLOWED} DELETE FROM security_events WHERE about = '29'",
        f"{ALLOWED} DELETE FROM security_events",
    ],
)
def test_postgresql_refuses(alice: User, statement: str) -> None:
    """For every role, in every way; the door for pruning opens to old rows alone."""
    add_events(alice, 0, 29, 400)
    with pytest.raises(Error, match="append-only"), connection.cursor() as cursor:
        cursor.execute(statement)
    assert ages() == [0, 29, 400]


@pytest.mark.postgresql
def test_door_shuts_with_its_transaction(alice: User) -> None:
    """The next transaction of the connection can delete nothing."""
    add_events(alice, 400)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(retention.ALLOW)
    with pytest.raises(Error, match="append-only"):
        SecurityEvent.objects.all().delete()
    assert ages() == [400]


@pytest.mark.postgresql
def test_time_is_the_databases(alice: User) -> None:
    """An event can't be made old, and so be deleted."""
    began = timezone.now() - timedelta(minutes=1)
    SecurityEvent.objects.create(
        at=timezone.now() - timedelta(days=400), event=Event.LOGIN_FAILED, user=alice
    )
    assert SecurityEvent.objects.get().at >= began


def test_old_events_are_pruned(
    alice: User,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In small transactions; those within the setting stay."""
    monkeypatch.setattr(retention, "PRUNED_ROWS", 2)
    settings.AUTH_SECURITY_LOG_DAYS = 90
    add_events(alice, 400, 91, 300, 89, 100, 92)
    record(Event.SESSION_STARTED, user_id=alice.pk, about="0")
    call_command("prune_security_log")
    assert capsys.readouterr().out == "Deleted 5 events.\n"
    assert ages() == [89, 0]
    call_command("prune_security_log")
    assert capsys.readouterr().out == "Deleted 0 events.\n"


def test_setting_is_checked(settings: Settings) -> None:
    """No shorter than what PostgreSQL's trigger keeps."""
    assert check_retention() == []
    for bad in (29, 3651, True, "90", 45.5, None):
        settings.AUTH_SECURITY_LOG_DAYS = bad
        assert [message.id for message in check_retention()] == ["security_log.E001"]
