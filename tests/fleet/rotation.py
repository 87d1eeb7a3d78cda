"""Replaces the keys of every process, one process after the other, as docs/keys.md says."""

import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fleet.fleet import Fleet
from tests.fleet.metrics import count_unreadable
from tests.fleet.run_state import RunState

SECOND_VARIABLES = {
    "JWT_SIGNING_KEY": "JWT_VERIFYING_KEYS",
    "USERCACHE_SIGNING_KEY": "USERCACHE_SIGNING_KEY_FALLBACKS",
}
"""The variable of each key, and the one that lists others."""
SECRET_BYTES = 48


def announce_new_keys(state: RunState[Fleet]) -> None:
    """Let every process verify with keys that nothing is signed with yet."""
    state.new_keys = _make_keys()
    state.fleet.restart_all({SECOND_VARIABLES[name]: key for name, key in state.new_keys.items()})


def sign_with_new_keys(state: RunState[Fleet]) -> None:
    """Exchange the keys; from before the first restart on, users have tokens of the new one."""
    fleet = state.fleet
    old = {second: fleet.environment[first] for first, second in SECOND_VARIABLES.items()}
    fleet.mint.change_key(state.new_keys["JWT_SIGNING_KEY"])
    fleet.restart_all({**state.new_keys, **old})
    unreadable = count_unreadable(fleet)
    assert not any(unreadable.values()), f"Records of one of two keys aren't read: {unreadable}"


def drop_old_keys(state: RunState[Fleet]) -> None:
    """Let no process know the old keys."""
    state.fleet.restart_all(dict.fromkeys(SECOND_VARIABLES.values(), ""))


def see_no_forgery(state: RunState[Fleet]) -> None:
    """See that no server took a record that another has signed for a forged one."""
    unreadable = count_unreadable(state.fleet)
    assert not unreadable["signature"], f"An alarm of bad signatures: {unreadable}"


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
