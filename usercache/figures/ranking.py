"""Who has the most hits, in bounded memory."""

from collections.abc import Mapping
from heapq import nlargest
from typing import Final

CAPACITY: Final = 500
"""Users remembered at least, once there were so many; twice as many at most."""


class Ranking:
    """Keep the users with the most hits, by the space-saving rule.

    A newcomer to a full ranking may have had as many hits before, unseen, as the last who was
    dropped; he is ranked by these as well, so that who comes late can displace who comes no more.
    Only hits that were seen are reported. The last half go at a time. Source: Metwally et al.,
    Efficient Computation of Frequent and Top-k Elements in Data Streams (2005).
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Start with nobody."""
        self._capacity = capacity
        self._at_most: dict[str, int] = {}
        self._unseen: dict[str, int] = {}
        self._dropped_at = 0

    def add(self, hits: Mapping[str, int]) -> None:
        """Add hits by user."""
        for user, count in hits.items():
            if user in self._at_most:
                self._at_most[user] += count
            else:
                self._at_most[user] = self._dropped_at + count
                self._unseen[user] = self._dropped_at
        if len(self._at_most) > 2 * self._capacity:
            self._drop_last_half()

    def at_least(self) -> dict[str, int]:
        """Return the hits that were seen of each user who is remembered."""
        return {user: count - self._unseen[user] for user, count in self._at_most.items()}

    def _drop_last_half(self) -> None:
        kept = dict(nlargest(self._capacity, self._at_most.items(), key=lambda item: item[1]))
        dropped = (count for user, count in self._at_most.items() if user not in kept)
        self._dropped_at = max(self._dropped_at, *dropped)
        self._at_most = kept
        self._unseen = {user: self._unseen[user] for user in kept}
