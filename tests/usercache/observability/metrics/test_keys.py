"""The keys of the metrics are spelled as documented."""

from usercache.observability.metrics.store import bucket_key, delivered_key, ranking_key


def test_metrics_have_one_hash_tag() -> None:
    """So that one script can reach all of them in a cluster; each has a key of its own."""
    keys = [bucket_key(60, 60), ranking_key(60, 60), delivered_key("token")]
    assert keys == [
        "usercache:{metrics}:60:60",
        "usercache:{metrics}:60:60:users",
        "usercache:{metrics}:delivered:token",
    ]
