"""What a look-up is after, and how the database is asked for it if need be."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from usercache.codec import Codec, Values


class Sought(NamedTuple):
    """One user who is looked for."""

    key: str
    codec: Codec
    load: Callable[[], Values | None]
    may_fill: Callable[[], bool]
    """Whether what is loaded now is sure to be committed; asked once nothing was found."""
    began: float
    """From `time.perf_counter()`."""


class SoughtMany(NamedTuple):
    """Several users who are looked for together."""

    keys: Sequence[str]
    codec: Codec
    load: Callable[[Sequence[str]], dict[str, Values]]
    """Takes the keys of some of them; leaves out those of whom there is no row."""
    may_fill: Callable[[], bool]
    began: float
