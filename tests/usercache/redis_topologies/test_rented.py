"""Kinds of Redis that refuse CLIENT TRACKING, INFO, WAIT and ROLE: nothing is lost but these.

ACLs stand in for them, on one server, behind sentinels, and in a cluster.
"""

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries, Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.counting import counts
from tests.deployments import TENANT, Deployment
from tests.fixtures.product import Deploy
from tests.servers.redis_cluster import ask
from tests.servers.server import HOST
from tests.usercache.l1 import bring_l1
from tests.users import User
from tests.waiting import wait_until
from usercache.backends.redis import connect
from usercache.conf import conf
from usercache.keys import record_key
from usercache.l1.cache import ClientCache
from usercache.observability.snapshot import take_snapshot
from usercache.observability.status import Status
from usercache.redis_topologies.sentinel import NotPrimaryError, PrimaryFinder
from usercache.runtime import RUNTIME, Runtime, get_store
from usercache.users import get_user_by_email, get_user_by_id, invalidate_all_users

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _client_cache_is_on(settings: Settings) -> None:
    settings.USERCACHE_L1_MAX_ENTRIES = 100


def is_held(pk: object) -> bool:
    # Not by asking for it: nothing is served while a heartbeat's message is unread.
    l1 = get_store().l1
    return isinstance(l1, ClientCache) and record_key(pk) in l1._entries


def errors() -> dict[str, int]:
    return {name: count for name, count in counts().items() if name.startswith("errors_")}


def test_look_ups_and_writes(
    rented: Deployment, alice: User, bob: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """From memory without a query, and every write is seen at once, by another process too."""
    for user in (alice, bob):
        bring_l1(user.pk, lambda: get_user_by_id(user.pk))  # noqa: B023  # at once
    with django_assert_num_queries(0):
        assert get_user_by_id(alice.pk) == alice
    with transaction.atomic():
        alice.first_name = "Alicia"
        alice.save()
    found = get_user_by_email(alice.email)
    assert found is not None
    assert found.first_name == "Alicia"
    for user in (alice, bob):
        bring_l1(user.pk, lambda: get_user_by_id(user.pk))  # noqa: B023  # at once
    other = Runtime()
    other.get_store().set_markers([record_key(alice.pk)], b"12345678")
    wait_until(lambda: not is_held(alice.pk), "the other's write is heard of")
    # Again: when a primary is connected to once more, memory is emptied.
    bring_l1(bob.pk, lambda: get_user_by_id(bob.pk))
    connect(conf.USERCACHE_REDIS_ALIAS).invalidate_all()  # as another process would
    wait_until(lambda: not is_held(bob.pk), "it is heard of in every shard")
    invalidate_all_users()
    other.stop()
    assert errors() == {}


def test_metrics_of_all_processes(rented: Deployment, alice: User) -> None:
    """They are read; of Redis itself, what INFO would tell is missing."""
    for _ in range(3):
        get_user_by_id(alice.pk)
    RUNTIME.stop()
    snapshot = take_snapshot()
    assert (snapshot.status, snapshot.reasons) == (Status.HEALTHY, ())
    assert not snapshot.is_partial
    assert snapshot.misses == 1
    assert sum(snapshot.hits_by_backend.values()) == 2
    assert snapshot.redis is not None
    assert snapshot.redis.latency_ms > 0
    assert errors() == {}


@pytest.mark.parametrize("wait", ["+wait", "-wait"])
def test_replica_that_does_not_tell_its_role(
    deploy: Deploy, settings: Settings, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    """It is noticed by WAIT; where that is refused too, the sentinels are believed, as to reads."""
    deployment = deploy("sentinel").rent()
    for node in deployment.nodes:
        ask(node, "ACL", "SETUSER", TENANT, wait)
    deployment.use(settings)
    settings.CACHES["usercache"]["LOCATION"] += "?"  # a pool of its own
    replica = deployment.servers.replica
    monkeypatch.setattr(PrimaryFinder, "discover_master", lambda *_args: (HOST, replica.port))
    backend = connect(conf.USERCACHE_REDIS_ALIAS)
    if wait == "+wait":
        with pytest.raises(NotPrimaryError, match=f"{replica.port} is a 'replica'"):
            backend.get("x")
    else:
        assert backend.get("x") is None
        with pytest.raises(RedisConnectionError, match="now a slave"):
            backend.beat()
