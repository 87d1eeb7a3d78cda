"""Each requirement of the page on security has an answer, and each test that it names exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tests.servers.stack import PROJECT

PAGE: Final = (PROJECT / "docs" / "security.md").read_text()
ROW: Final = re.compile(
    r"^\| (\d+\.\d+\.\d+)(?: to (\d+\.\d+\.\d+))? \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE
)
TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ANSWERS: Final = re.compile(r"(met: |missing: |missing, by choice: |not applicable: )\S")
# The last requirement of levels 1 and 2 in each section of ASVS 5.0.0; those of level 3 come after.
LAST: Final = {
    "3.3": 4,
    "3.4": 6,
    "3.5": 5,
    "4.1": 3,
    "4.2": 1,
    "4.3": 2,
    "4.4": 4,
    "5.1": 1,
    "5.2": 3,
    "5.3": 2,
    "5.4": 3,
    "6.1": 3,
    "6.2": 12,
    "6.3": 4,
    "6.4": 4,
    "6.5": 5,
    "6.6": 3,
    "6.8": 4,
    "7.1": 3,
    "7.2": 4,
    "7.3": 2,
    "7.4": 5,
    "7.5": 2,
    "7.6": 2,
    "8.1": 2,
    "8.2": 3,
    "8.3": 1,
    "8.4": 1,
    "9.1": 3,
    "9.2": 4,
    "10.1": 2,
    "10.2": 2,
    "10.3": 4,
    "10.4": 11,
    "10.5": 5,
    "10.6": 2,
    "10.7": 3,
}


def read_rows() -> Iterator[tuple[str, str]]:
    """Yield each id with its answer; a row may have several ids of one section."""
    for first, last, _, answer in ROW.findall(PAGE):
        section, _, start = first.rpartition(".")
        assert not last or last.startswith(f"{section}.")
        end = int((last or first).rpartition(".")[2])
        for number in range(int(start), end + 1):
            yield f"{section}.{number}", answer


@cache
def read_tests(path: str) -> frozenset[str]:
    """Return the names of a file's tests."""
    tree = ast.parse(Path(PROJECT / path).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_requirement_has_one_answer() -> None:
    """Those of levels 1 and 2, in order, none twice."""
    numbers = [
        f"{section}.{number}" for section, last in LAST.items() for number in range(1, last + 1)
    ]
    assert [number for number, _ in read_rows()] == numbers


def test_every_answer_is_one() -> None:
    """What is met names a test that shows it, and the rest says why it isn't."""
    for number, answer in read_rows():
        assert ANSWERS.match(answer), number
        assert TEST.search(answer) or not answer.startswith("met: "), number


def test_every_test_exists() -> None:
    """In the file that is named."""
    named = TEST.findall(PAGE)
    assert len(named) == PAGE.count("::")
    assert [f"{path}::{name}" for path, name in named if name not in read_tests(path)] == []
