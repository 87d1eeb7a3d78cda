"""Tests of two sizes: a short one for `make test`, and all of it for `make long`."""

from collections.abc import Iterable
from itertools import product
from typing import Final

import pytest
from _pytest.mark.structures import ParameterSet

EVERY: Final = 5
"""Of many cases of one kind, so many go together with one that `make test` tries."""


def some_of(*cases: Iterable[object], first: int = 0) -> list[ParameterSet]:
    """Return the cases, of which `make test` tries every fifth and `make long` the others.

    Of several kinds of cases, each of one kind with each of the other. Tests of the same cases that
    begin at different ones (`first`, 0 to 4) try different ones.
    """
    return [
        pytest.param(
            *case,
            id="-".join(str(getattr(part, "__name__", part)) for part in case),
            marks=pytest.mark.long if (number - first) % EVERY else (),
        )
        for number, case in enumerate(product(*cases))
    ]


def sizes(name: str, *, short: object, long: object) -> pytest.MarkDecorator:
    """Give the test this argument in both sizes."""
    return pytest.mark.parametrize(
        name,
        [pytest.param(short, id="short"), pytest.param(long, id="long", marks=pytest.mark.long)],
    )
