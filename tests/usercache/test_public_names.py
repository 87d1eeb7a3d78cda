"""What `from usercache import …` offers."""

from inspect import getmembers, isfunction

import pytest

import usercache
from usercache import users
from usercache.instances.saving import ReadOnlyUserError


def test_every_public_function_can_be_imported_from_the_package() -> None:
    """None is forgotten, and each is the very same."""
    public = {
        name: function
        for name, function in getmembers(users, isfunction)
        if not name.startswith("_") and function.__module__ == users.__name__
    }
    assert {name: getattr(usercache, name) for name in usercache.__all__} == (
        public | {"ReadOnlyUserError": ReadOnlyUserError}
    )


def test_other_names_are_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'get_user'"):
        usercache.get_user  # noqa: B018  # the access is what fails
