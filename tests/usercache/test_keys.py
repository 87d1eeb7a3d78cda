"""Keys are spelled as documented, and only where every backend takes them."""

import pytest

from usercache.keys import MAX_IDENTIFIER_LENGTH, pointer_key, record_key


def test_keys_are_spelled_as_documented() -> None:
    """One record key and three pointer keys lead to a user."""
    assert record_key(123) == "user:id:123"
    assert pointer_key("email", "user@example.com") == "user:email:user@example.com"
    assert pointer_key("username", "john") == "user:username:john"
    assert pointer_key("phone", "+12425550101") == "user:phone:+12425550101"


@pytest.mark.parametrize("value", ["a b", "a\nb", "a\x7f", "x" * (MAX_IDENTIFIER_LENGTH + 1)])
def test_unusual_identifier_has_no_key(value: str) -> None:
    """What memcached would refuse as a key is looked up by query instead."""
    assert pointer_key("username", value) is None
