"""What a look-up asks for: the keys, and how to load their users from the database."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from usercache.codec import EntryCodec, Values

FillLater = Callable[[Callable[[], None]], None]


def fill_never(fill: Callable[[], None]) -> None:
    """Leave unfilled what was missed inside a transaction."""


class Lookup(NamedTuple):
    """One user to find, and how to load them from the database."""

    key: str
    codec: EntryCodec
    load: Callable[[], Values | None]
    may_fill: Callable[[], bool]
    """Whether a row loaded now is sure to be committed; asked only after a miss."""
    began: float
    """From `time.perf_counter()`."""
    fill_later: FillLater = fill_never
    """Takes what fills, where a row loaded now may not be filled."""

    def as_batch(self) -> "BatchLookup":
        """Return the same as a batch of one."""

        def load(_keys: Sequence[str]) -> dict[str, Values]:
            row = self.load()
            return {} if row is None else {self.key: row}

        return BatchLookup([self.key], self.codec, load, self.may_fill, self.began)


class BatchLookup(NamedTuple):
    """Several users to find together."""

    keys: Sequence[str]
    codec: EntryCodec
    load: Callable[[Sequence[str]], dict[str, Values]]
    """Takes some of the keys; leaves out those without a row."""
    may_fill: Callable[[], bool]
    began: float
    fill_later: FillLater = fill_never
