"""What the environment says in words and numbers is understood, or refused by name."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from hiremebahamas.environment import database
from hiremebahamas.variables import read_float, read_int, read_switch

NAME = "SOME_VARIABLE"


def set_variable(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv(NAME, raising=False)
    else:
        monkeypatch.setenv(NAME, value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("True", True), ("on", True), ("1", True), ("no", False), ("FALSE", False), ("0", False)],
)
def test_switches(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    """In several words."""
    set_variable(monkeypatch, value)
    assert read_switch(NAME, default=not expected) is expected


@pytest.mark.parametrize("value", [None, ""])
def test_what_is_unset_or_empty_has_its_default(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """Whatever is read."""
    set_variable(monkeypatch, value)
    assert read_switch(NAME, default=True) is True
    assert read_int(NAME, 7) == 7
    assert read_float(NAME, 0.5) == 0.5


def test_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within their bounds, those included."""
    set_variable(monkeypatch, "5")
    assert read_int(NAME, 1, low=5, high=5) == 5
    assert read_float(NAME, 1.0, low=5) == 5.0


@pytest.mark.parametrize("value", ["x", "5 min", "1.5", "0", "11", "nan", "inf", "9" * 5000])
def test_what_is_no_such_number_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """By the variable's name, and with the bounds; nor is "5 min" taken for 5."""
    set_variable(monkeypatch, value)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} is .* a whole number from 1 to 10"):
        read_int(NAME, 1, low=1, high=10)


def test_what_is_neither_yes_nor_no_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt switch is not simply off."""
    set_variable(monkeypatch, "Treu")
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} is 'Treu'. Set it to True or False"):
        read_switch(NAME, default=True)


@pytest.mark.parametrize(
    "url", ["nonsense", "postgress://u:secret@h/n", "postgres://u:secret@h:port/n", "mysql://h/n"]
)
def test_other_databases_are_refused(url: str) -> None:
    """Without showing what may be a password."""
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL leads to no") as refusal:
        database(url)
    assert "secret" not in str(refusal.value)
