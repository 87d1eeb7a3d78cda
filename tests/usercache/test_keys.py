"""Keys are spelled as documented, and only where every backend takes them."""

import pytest

from usercache.keys import (
    IDENTIFIERS,
    OWN_PREFIXES,
    extension_key,
    pk_of,
    pointer_key,
    record_key,
)


def test_keys_are_spelled_as_documented() -> None:
    """One record key and three pointer keys lead to a user."""
    assert record_key(123) == "user:id:123"
    assert pointer_key("email", "user@example.com") == "user:email:user@example.com"
    assert pointer_key("username", "john") == "user:username:john"
    assert pointer_key("phone", "+12425550101") == "user:phone:+12425550101"
    assert pointer_key("uid", "x") == "user:by:uid:x"


def test_every_key_of_a_user_begins_with_a_prefix_of_ours() -> None:
    """So that forgetting everybody finds all of them, and nothing else."""
    keys = [record_key(7), *(pointer_key(name, "x") for name in (*IDENTIFIERS, "settings"))]
    assert OWN_PREFIXES == (
        "user:id:",
        "user:ext:",
        "user:email:",
        "user:username:",
        "user:phone:",
        "user:by:",
    )
    assert all(key is not None and key.startswith(OWN_PREFIXES) for key in keys)


def test_primary_key_comes_back_out_of_its_record_key() -> None:
    """As text, with whatever the key's field may hold."""
    assert [pk_of(record_key(pk)) for pk in (7, "user:id:7", "a b")] == ["7", "user:id:7", "a b"]


def test_extension_s_record_has_a_plain_key_that_is_no_user_s() -> None:
    """Whatever its name holds; a user whose primary key looks like it has another."""
    key = extension_key("user:ext:grants:a b%20:/")
    assert key == "user:ext:grants:a%20b%2520:%2F"
    assert pk_of(key) == ""
    assert record_key("user:ext:grants:7") == "user:id:user%3Aext%3Agrants%3A7"


@pytest.mark.parametrize("value", ["x" * 200, "!", "~", "\u00e9", "\x80"])
def test_usual_identifier_has_a_key(value: str) -> None:
    """Up to the longest, and whatever isn't a control character or a space."""
    assert pointer_key("username", value) == f"user:username:{value}"


@pytest.mark.parametrize(
    "value",
    ["a b", "a\nb", "\0", " ", "a\x7f", "x" * 201],
)
def test_unusual_identifier_has_no_key(value: str) -> None:
    """What memcached would refuse as a key is looked up by query instead."""
    assert pointer_key("username", value) is None


@pytest.mark.parametrize("pk", [7, -7, "7", "a b", "a%20b", "ä", "{a}", "user:id:7", "\x7f", "+/&"])
def test_record_key_is_plain_and_leads_back(pk: object) -> None:
    """Whatever text a primary key is, its record key is plain, and no other key's."""
    key = record_key(pk)
    assert pk_of(key) == str(pk)
    assert pointer_key("email", key.removeprefix("user:")) is not None
    assert "{" not in key
