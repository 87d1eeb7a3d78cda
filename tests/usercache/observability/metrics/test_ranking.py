"""The users with the most hits, when there is no room for all."""

from usercache.observability.metrics.time_buckets import Ranking


def test_frequent_users_stay_among_a_thousand_others() -> None:
    """Users with more than their share of hits are found, with no more hits than they have."""
    ranking, true = Ranking(capacity=20), dict[str, int]()
    for number in range(2000):
        hits = {f"once-{number}": 1, f"often-{number % 5}": 1}
        ranking.add(hits)
        for user, count in hits.items():
            true[user] = true.get(user, 0) + count
    found = ranking.at_least()
    assert 20 <= len(found) <= 40
    assert all(count <= true[user] for user, count in found.items())
    most = sorted(found, key=lambda user: -found[user])[:5]
    assert sorted(most) == [f"often-{number}" for number in range(5)]


def test_latecomer_gets_in() -> None:
    """A user who begins late displaces those that are not seen any more."""
    ranking = Ranking(capacity=3)
    ranking.add({"a": 5, "b": 5, "c": 5})
    for number in range(50):
        ranking.add({"late": 1, f"once-{number}": 1})
    assert ranking.at_least()["late"] > 40
