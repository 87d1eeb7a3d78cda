"""Tests of two sizes: a short one for `make test`, and all of it for `make long`."""

from collections.abc import Iterable
from typing import Final

import pytest
from _pytest.mark.structures import ParameterSet

EVERY: Final = 5
"""Of many cases of one kind, so many go together with one that `make test` tries."""


def some_of(cases: Iterable[str]) -> list[ParameterSet]:
    """Return the cases, of which `make test` tries every fifth and `make long` the others."""
    return [
        pytest.param(case, marks=pytest.mark.long if number % EVERY else ())
        for number, case in enumerate(cases)
    ]


def sizes(name: str, *, short: object, long: object) -> pytest.MarkDecorator:
    """Give the test this argument in both sizes."""
    return pytest.mark.parametrize(
        name,
        [pytest.param(short, id="short"), pytest.param(long, id="long", marks=pytest.mark.long)],
    )
