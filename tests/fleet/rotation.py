"""Replaces the keys of every process, one process after the other, as docs/keys.md says."""

import re
import secrets
import urllib.request
from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fleet.fleet import Fleet
from tests.fleet.run_state import RunState
from tests.servers.server import HOST

SECOND_VARIABLES = {
    "JWT_SIGNING_KEY": "JWT_VERIFYING_KEYS",
    "USERCACHE_SIGNING_KEY": "USERCACHE_SIGNING_KEY_FALLBACKS",
}
"""The variable of each key, and the one that lists others."""
SECRET_BYTES = 48
UNREADABLE = re.compile(
    r'^usercache_unreadable_records_total\{.*reason="(\w+)".*\} ([0-9.]+)$', re.MULTILINE
)
ANSWER_SECONDS = 10


def announce_new_keys(state: RunState) -> None:
    """Let every process verify with keys that nothing is signed with yet."""
    state.new_keys = _make_keys()
    _restart_all(state.fleet, {SECOND_VARIABLES[name]: key for name, key in state.new_keys.items()})


def sign_with_new_keys(state: RunState) -> None:
    """Exchange the keys; from before the first restart on, users have tokens of the new one."""
    fleet = state.fleet
    old = {second: fleet.environment[first] for first, second in SECOND_VARIABLES.items()}
    fleet.mint.change_key(state.new_keys["JWT_SIGNING_KEY"])
    _restart_all(fleet, {**state.new_keys, **old})
    unreadable = count_unreadable(fleet)
    assert not any(unreadable.values()), f"Records of one of two keys aren't read: {unreadable}"


def drop_old_keys(state: RunState) -> None:
    """Let no process know the old keys."""
    _restart_all(state.fleet, dict.fromkeys(SECOND_VARIABLES.values(), ""))


def see_no_forgery(state: RunState) -> None:
    """See that no server took a record that another has signed for a forged one."""
    unreadable = count_unreadable(state.fleet)
    assert not unreadable["signature"], f"An alarm of bad signatures: {unreadable}"


def count_unreadable(fleet: Fleet) -> dict[str, float]:
    """Return how many records were not believed, by reason, as the servers' metrics say."""
    counts = dict[str, float]()
    for reason, count in UNREADABLE.findall(_read_metrics(fleet)):
        counts[reason] = counts.get(reason, 0) + float(count)
    assert counts, "The metrics have no counts of unreadable records."
    return counts


def _make_keys() -> dict[str, str]:
    # From a secret to a key pair, and from one pair to the next where this was played before.
    private = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "JWT_SIGNING_KEY": private.decode(),
        "USERCACHE_SIGNING_KEY": secrets.token_urlsafe(SECRET_BYTES),
    }


def _restart_all(fleet: Fleet, variables: Mapping[str, str]) -> None:
    fleet.environment |= variables
    for instance in fleet.instances:
        instance.restart(variables)
    fleet.relay.restart(variables)
    fleet.background.restart(variables)


def _read_metrics(fleet: Fleet) -> str:
    request = urllib.request.Request(
        f"http://{HOST}:{fleet.instances[0].web.port}/metrics",
        headers={"Authorization": f"Bearer {fleet.environment['USERCACHE_METRICS_TOKEN']}"},
    )
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
        text: str = response.read().decode()
        return text
