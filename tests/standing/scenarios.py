"""What can happen to the standing topology, and what is promised while it does."""

from dataclasses import replace
from typing import Final

from tests.fleet import rotation
from tests.fleet.environment import migrate
from tests.fleet.promise import Promise
from tests.fleet.renewer import Renewer
from tests.fleet.run_state import RunState
from tests.fleet.scenarios import (
    NOTHING_STALE,
    RELAY_RECONNECTS,
    RELAY_SECONDS,
    RELAY_TELLS_OTHERS,
    Scenario,
    Step,
)
from tests.standing.fleet import StandingFleet

State = RunState[StandingFleet]

LEAST_HIT_RATE: Final = 0.9
LEAST_HIT_RATE_OF_TWO: Final = 0.6
"""While two releases run, which cache other columns."""
LEAST_HIT_RATE_WITHOUT_A_NODE: Final = 0.6
"""Until its replica has taken over, and memory is warm again."""
THIS_RELEASE: Final = {"DJANGO_SETTINGS_MODULE": "hiremebahamas.settings"}
NEXT_RELEASE: Final = {"DJANGO_SETTINGS_MODULE": "tests.standing.next_settings"}


def deploy_other_release(state: State) -> None:
    """Migrate, then restart one process after the other with other cached columns, or back."""
    fleet = state.fleet
    is_next = fleet.environment.items() >= NEXT_RELEASE.items()
    release = THIS_RELEASE if is_next else NEXT_RELEASE
    migrate(fleet.environment | release)
    fleet.restart_all(release)


def lose_instance(state: State) -> None:
    """Kill an instance as the loss of its machine does."""
    state.random.choice(state.fleet.instances).lose()


def replace_instance(state: State) -> None:
    """Start another in its place."""
    for instance in state.fleet.instances:
        if not instance.web.is_running:
            instance.replace()


def lose_cluster_node(state: State) -> None:
    """Kill a primary of the cluster; its replica takes over."""
    state.is_redis_away = True
    for instance in state.fleet.instances:
        instance.is_cut_off = True
    state.random.choice(state.fleet.topology.cluster.primaries()).kill()


def replace_cluster_node(state: State) -> None:
    """Once its replica has taken over, start it again, as a replica."""
    state.fleet.topology.cluster.wait_until_whole()
    state.fleet.topology.cluster.restore()


def lose_first_relay(state: State) -> None:
    """Kill a relay."""
    state.fleet.relays[0].kill()


def lose_second_relay(state: State) -> None:
    """Start the first again, and kill the other: either may have been the one at work."""
    state.fleet.relays[0].start()
    state.fleet.relays[1].kill()


def lose_primary(state: State) -> None:
    """End PostgreSQL's primary."""
    state.is_database_away = True
    state.fleet.topology.lose_primary()


def promote_replica(state: State) -> None:
    """Let its replica take over."""
    state.fleet.topology.promote_replica()


WARM: Final = {"least_hit_rate": LEAST_HIT_RATE}
# Records of other columns are misses, so two releases side by side fill in each other's place.
OTHER_COLUMNS: Final = replace(RELAY_TELLS_OTHERS, least_hit_rate=LEAST_HIT_RATE_OF_TWO)
# A server that asks nothing of the lost node uses the others for a moment longer, of which those
# that have given Redis up tell the database alone.
NODE_LOST: Final = Promise(
    RELAY_SECONDS, RELAY_SECONDS, least_hit_rate=LEAST_HIT_RATE_WITHOUT_A_NODE
)
SCENARIOS: Final = (
    Scenario("calm", promise=replace(NOTHING_STALE, **WARM)),
    Scenario(
        "rolling deploy, other cached columns",
        (Step(0.2, deploy_other_release),),
        promise=OTHER_COLUMNS,
    ),
    Scenario(
        "instance lost",
        (Step(0.2, lose_instance), Step(0.5, replace_instance)),
        promise=replace(NOTHING_STALE, **WARM),
    ),
    Scenario(
        "cluster node lost",
        (Step(0.2, lose_cluster_node), Step(0.4, replace_cluster_node)),
        promise=NODE_LOST,
    ),
    Scenario(
        "relay lost",
        (Step(0.2, lose_first_relay), Step(0.5, lose_second_relay)),
        promise=replace(RELAY_RECONNECTS, **WARM),
    ),
    Scenario(
        "primary database lost",
        (Step(0.2, lose_primary), Step(0.4, promote_replica)),
        promise=replace(RELAY_RECONNECTS, **WARM),
    ),
    Scenario(
        "rolling key rotation",
        (
            Step(0.1, rotation.announce_new_keys),
            Step(0.4, rotation.sign_with_new_keys),
            Step(0.7, rotation.drop_old_keys),
            Step(0.9, rotation.see_no_forgery),
        ),
        promise=replace(NOTHING_STALE, **WARM),
        workers=(Renewer,),
    ),
)
