"""What is counted, and its way through Redis to every page and command that shows it.

Note [Metrics]
--------------
A look-up costs its caller one entry in a list (`recorder`). A thread of each process folds the
list into time buckets, one per minute, and sends them once a second (`flusher`) to three places in
Redis (`store`): the minute's hash, the hour's, and the totals. A window is the sum of a few hashes,
so that every process shows the same numbers. A name is spelled alike in a bucket and in a hash.

A batch is sent until Redis has confirmed it, and counts once: it carries a number, and the script
that adds it up refuses a number that it has seen. Sending it once only would lose the second before
an outage; sending it again without a number could count it twice. All keys share one hash tag, so
that one script can reach them in a cluster, too.

While Redis is away, buckets wait in the process. Minutes older than two hours become hours, hours
older than two days a remainder that only the totals get: memory is bounded.
"""

from typing import Final

from usercache.events import L1, MEMORY, MISS, REDIS

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3600
MINUTES_KEPT_SECONDS: Final = 2 * HOUR_SECONDS
HOURS_KEPT_SECONDS: Final = 48 * HOUR_SECONDS

# The names of what is counted, besides those of `usercache.events`.
MISSES: Final = "misses"
LOOKUPS: Final = {result: f"hits_{result}" for result in (L1, REDIS, MEMORY)} | {MISS: MISSES}
"""The counter of each result of a look-up."""
UNTIMED: Final = "lookups_untimed"
"""Look-ups that were counted without their latency and their user, for want of room."""
# What came of the hits that were compared with the database; see Note [The audit].
AUDIT_CHECKED: Final = "audit_checked"
AUDIT_MISMATCHED: Final = "audit_mismatched"
AUDIT_EXPLAINED: Final = "audit_explained"
AUDIT_UNDECIDED: Final = "audit_undecided"
# What the cache would have done in the database's place; see Note [Shadow mode].
SHADOW_HITS: Final = "shadow_hits"
SHADOW_MISSES: Final = "shadow_misses"
MAXIMUM_PREFIX: Final = "max:"
AUDIT_WORST_MS: Final = MAXIMUM_PREFIX + "audit_worst_ms"
"""The largest age of a record that was a mismatch."""
