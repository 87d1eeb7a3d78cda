"""The promise holds with every kind of Redis that REDIS_URL can lead to."""

from dataclasses import replace
from pathlib import Path

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries, Settings

from tests.counting import counts
from tests.deployments import Deployment, deploy_tls
from tests.fixtures.product import Deploy
from tests.users import User
from usercache.management.inspection import inspect_user
from usercache.observability.snapshot import TopUser, take_snapshot
from usercache.observability.status import Status
from usercache.runtime import RUNTIME, get_store
from usercache.users import (
    get_user_by_email,
    get_user_by_id,
    get_user_by_phone,
    invalidate_all_users,
    invalidate_user,
)

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]


def errors() -> dict[str, int]:
    return {name: count for name, count in counts().items() if name.startswith("errors_")}


def test_look_ups_and_writes(
    deployment: Deployment,
    alice: User,
    bob: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Warm reads ask no database, writes are seen at once, and nothing fails underneath."""
    for user in (alice, bob):
        assert get_user_by_email(user.email) == get_user_by_phone(user.phone) == user
    with django_assert_num_queries(0):
        assert get_user_by_id(alice.pk) == get_user_by_email(alice.email) == alice
    assert inspect_user(alice.pk)[:2] == ("redis", "record")
    with transaction.atomic():
        alice.first_name, alice.email = "Alicia", "alicia@example.com"
        alice.save()
        assert inspect_user(alice.pk).state == "write marker"
    found = get_user_by_email("alicia@example.com")
    assert found is not None
    assert found.first_name == "Alicia"
    assert get_user_by_email("alice@example.com") is None
    User.objects.update(last_name="Rolle")
    for user in (alice, bob):
        found = get_user_by_id(user.pk)
        assert found is not None
        assert found.last_name == "Rolle"
    invalidate_user(alice.pk)
    assert inspect_user(alice.pk).state == "nothing"
    invalidate_all_users()
    assert inspect_user(bob.pk).state == "nothing"
    bob.delete()
    assert get_user_by_email("bob@example.com") is None
    assert errors() == {}


def test_counts_of_all_processes(deployment: Deployment, alice: User) -> None:
    """What was counted arrives in the totals, and is read from them."""
    for _ in range(3):
        get_user_by_id(alice.pk)
    RUNTIME.stop()
    snapshot = take_snapshot()
    assert (snapshot.status, snapshot.reasons) == (Status.HEALTHY, ())
    assert not snapshot.is_partial
    assert (snapshot.misses, snapshot.hits) == (1, 2)
    assert snapshot.top_users == (TopUser(f"user:id:{alice.pk}", 2),)
    assert snapshot.redis is not None
    assert snapshot.redis.memory_used > 0


def test_probe(deployment: Deployment) -> None:
    """A healthy Redis passes it, however it is deployed."""
    shared = get_store().redis
    assert shared is not None
    shared.backend.probe()


@pytest.mark.parametrize("missing", ["ca_certs", "client_cert"])
def test_certificates_are_verified(
    missing: str, deploy: Deploy, settings: Settings, alice: User
) -> None:
    """With an unknown CA, or without the certificate it asks for, Redis isn't spoken to."""
    tls = deploy("tls")
    without = {
        "ca_certs": replace(tls, ca_certs=""),
        "client_cert": replace(tls, client_cert="", client_key=""),
    }
    without[missing].use(settings)
    settings.CACHES["usercache"]["LOCATION"] += "?"  # a pool of its own
    found = get_user_by_id(alice.pk)
    assert found == alice
    assert inspect_user(alice.pk).state == "unreachable"
    assert errors()["errors_ConnectionError"] > 0


def test_certificate_of_another_host_is_refused(
    tmp_path: Path, settings: Settings, alice: User
) -> None:
    """A certificate of the right CA, for another host, is not enough."""
    with deploy_tls(tmp_path, host="redis.example.com") as deployment:
        deployment.use(settings)
        assert get_user_by_id(alice.pk) == alice
        assert errors()["errors_ConnectionError"] > 0
