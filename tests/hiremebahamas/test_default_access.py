"""Views are closed unless they say otherwise, whatever is imported first."""

import pytest
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from hiremebahamas.default_access import check_default_access
from tests.hiremebahamas.test_environment import run


def test_other_defaults_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the framework, which let everybody in."""
    assert check_default_access() == []
    monkeypatch.setattr(APIView, "permission_classes", [AllowAny])
    monkeypatch.setattr(APIView, "authentication_classes", [SessionAuthentication])
    assert [message.id for message in check_default_access()] == ["hiremebahamas.E003"] * 2


def test_early_import_is_found() -> None:
    """By the check that a server makes before it serves."""
    early = (
        "import environ; read = environ.Env.list; "
        "environ.Env.list = lambda *a, **k: "
        "(__import__('rest_framework.views'), read(*a, **k))[1]; "
        "import django; django.setup(); from django.core.management import call_command; "
        "call_command('check')"
    )
    answer = run("-c", early, DEBUG="True")
    assert answer.returncode == 1
    assert "hiremebahamas.E003" in answer.stderr
