"""Tests of two sizes: a short one for `make test`, and all of it for `make long`."""

import pytest


def sizes(name: str, *, short: object, long: object) -> pytest.MarkDecorator:
    """Give the test this argument in both sizes."""
    return pytest.mark.parametrize(
        name,
        [pytest.param(short, id="short"), pytest.param(long, id="long", marks=pytest.mark.long)],
    )
