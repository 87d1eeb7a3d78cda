"""Whether renewing records before they run out would be worth its while."""

from typing import Any, Final

from benchmarks.contenders import L1, Contender
from benchmarks.environment import Environment
from benchmarks.outcome import Outcome, Panel
from benchmarks.plan import Plan

USERS: Final = 1000
RATE: Final = 600.0
"""Look-ups per second: with the TTL, 3 for each user while a record lives, as 1,000 per second of
100,000 users are at 300 s."""
TTL_SECONDS: Final = 5
LOAD_SECONDS: Final = 0.002
PERCENT: Final = 100
PER_THOUSAND: Final = 1000
WAYS: Final = {
    "as it is": "none",
    "renewed early (XFetch)": "early",
    "renewed in the background": "background",
}
REMARKS: Final = """
- {rate:,.0f} look-ups per second of {users:,} users, the n-th 1/n as often as the first, with a TTL
  of {ttl} s: three look-ups per user and TTL. A load takes {load:.0f} ms. One process, one thread.
- Early: a look-up near the end of a record's life loads it again with a probability that grows, and
  waits for it. In the background: a look-up in the last tenth has another thread do it. Both put
  the new record in the place of the very entry they found, or not at all.
- The records of users that are looked up rarely run out under each of them, and are most of the
  misses. So usercache does neither: a busy user waits once in {shipped} s for {load:.0f} ms.
""".strip()
SHIPPED_TTL_SECONDS: Final = 300


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Make the same load each way, one way after the other."""
    environment.flush_redis()
    contender = Contender(
        L1.label,
        {"USERCACHE_TTL_SECONDS": str(TTL_SECONDS), "USERCACHE_AUDIT_SHARE": "0"},
        is_ours=True,
    )
    answers: dict[str, list[dict[str, Any]]] = {label: [] for label in WAYS}
    for label, way in WAYS.items():
        # One after the other: at once they would fill for each other.
        with environment.start(contender) as child:
            child.ask("wait_to_listen", wait_seconds=TTL_SECONDS)
            for number in range(plan.renewal_rounds + 1):
                answer = child.ask(
                    "renew_under_load",
                    way=way,
                    first=environment.first_id,
                    count=USERS,
                    rate=RATE,
                    load_seconds=LOAD_SECONDS,
                    seconds=plan.renewal_seconds,
                    seed=number,
                )
                if number:  # the first fills the cache
                    answers[label].append(answer)
    panel = Panel("Renewal")
    for label, rounds in answers.items():
        panel.add(label, "hits, %", [r["hit_rate"] * PERCENT for r in rounds])
        panel.add(label, "loads per 1,000", [r["loads"] * PER_THOUSAND for r in rounds])
        panel.add(label, "p50, ms", [r["p50"] for r in rounds])
        panel.add(label, "p99, ms", [r["p99"] for r in rounds])
    remarks = REMARKS.format(
        rate=RATE,
        users=USERS,
        ttl=TTL_SECONDS,
        load=LOAD_SECONDS * PER_THOUSAND,
        shipped=SHIPPED_TTL_SECONDS,
    )
    return Outcome("renewal", "Renewing records before they run out", [panel], remarks=remarks)
