"""What a stream is taken to show."""

import io

import pytest

from usercache.management.canvas import Canvas


class Stream(io.StringIO):
    """A stream with an encoding."""

    encoding = "utf-8"


@pytest.mark.parametrize(
    ("environ", "encoding", "is_ascii"),
    [
        ({}, "utf-8", False),
        ({"LANG": "en_US.UTF-8"}, "utf-8", False),
        ({"LANG": "C.UTF-8"}, "utf-8", False),
        ({"LANG": "en_US.UTF-8"}, "ascii", True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, "utf-8", True),
    ],
)
def test_ascii_where_it_must_be(environ: dict[str, str], encoding: str, *, is_ascii: bool) -> None:
    """The encoding decides, and the locale C, also where Python has made it C.UTF-8."""
    stream = Stream()
    stream.encoding = encoding
    assert Canvas(stream, environ).is_ascii == is_ascii


def test_nothing_steers_the_terminal() -> None:
    """What other processes say of themselves can't move the cursor or change the colours."""
    assert Canvas(Stream(), {}).clean("web\x1b[31m1\n") == "web?[31m1?"
    assert Canvas(Stream(), {"LANG": "C"}).clean("Léa, 9 µs") == "L?a, 9 us"
