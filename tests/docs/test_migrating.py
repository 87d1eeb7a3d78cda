"""The page for those who come from FastAPI names what there is."""

import re
from typing import Any, Final

from django.urls import resolve

import usercache
from accounts.models import User
from tests.servers.stack import PROJECT

PAGE: Final = (PROJECT / "docs" / "migrating.md").read_text()
ENDPOINT: Final = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[a-z/{}-]+)`")
SKETCHED: Final = {
    ("POST", "/auth/login"),
    ("PUT", "/auth/profile"),
    ("POST", "/auth/upload-avatar"),
    ("POST", "/auth/change-password"),
    ("DELETE", "/auth/account"),
}
"""What the sketch names."""
SKETCHED_COLUMNS: Final = (
    *("id", "email", "username", "first_name", "last_name", "phone", "bio", "avatar_url"),
    *("occupation", "location", "is_active", "is_admin", "created_at", "updated_at"),
)


def find_rows() -> list[tuple[str, str]]:
    """Return the first two cells of each row."""
    lines = (line.split("|") for line in PAGE.splitlines() if line.startswith("| "))
    return [(cells[1], cells[2]) for cells in lines]


def test_each_endpoint_of_ours_exists() -> None:
    """By its path, and with its method."""
    named = [match for _, ours in find_rows() for match in ENDPOINT.findall(ours)]
    assert len(named) >= len(SKETCHED)
    for method, path in named:
        view: Any = resolve(path.replace("{id}", "7")).func
        assert hasattr(view.view_class, method.lower()), (method, path)


def test_each_endpoint_of_the_sketch_has_one_beside_it() -> None:
    """None is left out, and each is the same with us."""
    beside = dict.fromkeys(SKETCHED, False)
    for theirs, ours in find_rows():
        for endpoint in ENDPOINT.findall(theirs):
            beside[endpoint] = endpoint in ENDPOINT.findall(ours)
    assert all(beside.values()), beside
    assert beside.keys() == SKETCHED


def test_each_function_of_ours_exists() -> None:
    """Where the package itself has it."""
    named = re.findall(r"`(a?(?:get|invalidate)_user\w*)\(\)`", PAGE)
    assert named
    assert [name for name in named if name not in usercache.__all__] == []


def test_columns_have_the_names_of_the_sketch() -> None:
    """As the page says, but for the password."""
    columns = {field.name for field in User._meta.concrete_fields}
    assert set(SKETCHED_COLUMNS) - columns == set()
    assert "password" in columns
