"""How to see from outside that a process uses Redis and PostgreSQL again."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from http import HTTPStatus

from redis.exceptions import RedisError

from tests.fleet.fleet import Fleet
from tests.fleet.instance import Instance
from tests.fleet.users import Person
from tests.fleet.visitor import Visitor
from tests.waiting import wait_until
from usercache.backends.breaker import LONGEST_PAUSE_SECONDS

WAIT_SECONDS = LONGEST_PAUSE_SECONDS + 120


def wait_until_recovered(visitor: Visitor) -> None:
    """Wait until every process uses what Redis there is, its database answers, the relay relays.

    A process that is asked for a user that Redis doesn't have puts them there, if it uses Redis.
    Each has one that no other is asked for, its pilot.
    """
    fleet = visitor.state.fleet
    *server_pilots, background_pilot, relay_pilot = fleet.pilots
    for instance, pilot in zip(fleet.instances, server_pilots, strict=True):
        _wait_for_fill(fleet, pilot, partial(_ask_server, visitor, instance, pilot))
    _wait_for_fill(fleet, background_pilot, partial(fleet.background.look_up, background_pilot.pk))
    if not visitor.state.is_relay_away:
        _wait_for_relay(visitor, relay_pilot)


def _wait_for_fill(fleet: Fleet, pilot: Person, ask: Callable[[], bool]) -> None:
    def is_filled() -> bool:
        if not fleet.has_redis:
            return ask()
        try:
            fleet.forget(pilot.pk)
            return ask() and fleet.is_cached(pilot.pk)
        except RedisError:
            return False

    wait_until(is_filled, "a process uses Redis and PostgreSQL again", WAIT_SECONDS)


def _wait_for_relay(visitor: Visitor, pilot: Person) -> None:
    version = visitor.state.fleet.ledger.next_version(pilot.pk)
    visitor.ask("GET", "/auth/profile", pilot)  # a user that is not cached needs no relay
    with closing(visitor.state.fleet.open_users()) as users:
        users.write_version(pilot.pk, version)

    def is_seen() -> bool:
        answer = visitor.ask("GET", "/auth/profile", pilot)
        return answer is not None and answer.body["bio"] == str(version)

    wait_until(is_seen, "the relay relays again", WAIT_SECONDS)


def _ask_server(visitor: Visitor, instance: Instance, pilot: Person) -> bool:
    answer = visitor.ask("GET", "/auth/verify", pilot, at=instance)
    return answer is not None and answer.status == HTTPStatus.OK
