"""A primary, its replica, and three sentinels that put the one in the other's place."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, cast

from redis import Redis, RedisError

from tests.servers.binaries import find_redis
from tests.servers.redis_cluster import ask
from tests.servers.redis_server import RedisServer
from tests.servers.server import HOST
from tests.waiting import wait_until

SERVICE = "hmbPrimary"
SENTINELS = 3
QUORUM = 2
# As quick as sentinels get: the suite waits for them.
DOWN_AFTER_MS = 500
# For twice as long after a failover there is no other.
FAILOVER_TIMEOUT_MS = 1000
QUICK_SYNC = ("--repl-diskless-sync-delay", "0")


class SentinelServer(RedisServer):
    """One sentinel."""

    def __init__(self, directory: Path, primary: RedisServer, password: str) -> None:
        """Watch this primary; `password` is the sentinel's own."""
        super().__init__(directory, "--sentinel", password=password)
        self._primary = primary

    def _command(self) -> Sequence[str | Path]:
        # It writes into this file what it learns.
        config = self.directory / "sentinel.conf"
        config.write_text(
            f"bind {HOST}\n"
            f"port {self.port}\n"
            f'requirepass "{self.password}"\n'
            f'sentinel sentinel-pass "{self.password}"\n'
            f"sentinel monitor {SERVICE} {HOST} {self._primary.port} {QUORUM}\n"
            f'sentinel auth-pass {SERVICE} "{self._primary.password}"\n'
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} {FAILOVER_TIMEOUT_MS}\n"
        )
        return (find_redis(), config, "--sentinel")


class SentinelSet:
    """Five servers on loopback: `with SentinelSet(directory, ...) as sentinels`."""

    def __init__(self, directory: Path, password: str, sentinel_password: str) -> None:
        """Keep their files in `directory`."""
        names = ("primary", "replica", *(f"sentinel{n}" for n in range(SENTINELS)))
        first, second, *others = (directory / name for name in names)
        for folder in (first, second, *others):
            folder.mkdir()
        self.primary = RedisServer(first, *QUICK_SYNC, password=password)
        self.replica = RedisServer(second, *_following(self.primary), password=password)
        self.sentinels = [
            SentinelServer(folder, self.primary, sentinel_password) for folder in others
        ]
        self._stack = ExitStack()

    @property
    def addresses(self) -> str:
        """The sentinels, as a URL names them."""
        return ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)

    def switch(self) -> None:
        """Have the sentinels put the replica in the primary's place, which is alive."""
        wait_until(self._begins_to_switch, "a sentinel finds the replica fit to be the primary")

    def restore(self) -> None:
        """After a failover, call the primary what is one, and let the other follow it."""
        self._call_by_role()
        self._follow()
        wait_until(self._is_restored, "the sentinels know the replica again")

    def __enter__(self) -> Self:
        """Start, and wait until everybody knows everybody."""
        for server in (self.primary, self.replica, *self.sentinels):
            self._stack.enter_context(server)
        wait_until(self._is_complete, "the sentinels know each other and the replica")
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop them all."""
        self._stack.close()

    def _begins_to_switch(self) -> bool:
        with self.sentinels[0].client() as client:
            try:
                client.execute_command("SENTINEL", "FAILOVER", SERVICE)
            except RedisError:  # none is fit, or the sentinel is slow
                return False
            return True

    def _call_by_role(self) -> bool:
        # A failover ends the connections to a server that it demotes: ask until there is an answer.
        role = wait_until(lambda: ask(self.replica, "ROLE"), "the replica says what it is")
        has_changed = bool(role[0] == b"master")
        if has_changed:
            self.primary, self.replica = self.replica, self.primary
        return has_changed

    def _follow(self) -> None:
        if self.replica.is_running:
            # The sentinels would see to it, after eight seconds.
            command = ("REPLICAOF", HOST, self.primary.port)
            wait_until(lambda: ask(self.replica, *command), "the replica follows the primary")
        else:
            self.replica.arguments = _following(self.primary)
            self.replica.start()

    def _is_restored(self) -> bool:
        # A failover that was under way when we looked may have ended only now.
        if self._call_by_role():
            self._follow()
        return self._is_complete()

    def _is_complete(self) -> bool:
        expected = {
            "port": self.primary.port,
            "flags": "master",
            "num-slaves": 1,
            "num-other-sentinels": SENTINELS - 1,
        }
        seen = [{name: state[name] for name in expected} for state in self._see()]
        # A primary, as it may be for a moment, is linked to nobody.
        role = ask(self.replica, "ROLE")
        linked = role[:1] == [b"slave"] and role[3] == b"connected"
        return linked and seen == [expected] * SENTINELS

    def _see(self) -> list[dict[str, Any]]:
        return [state for sentinel in self.sentinels if (state := _state(sentinel.client()))]


def _following(primary: RedisServer) -> tuple[str, ...]:
    return (*QUICK_SYNC, "--replicaof", HOST, str(primary.port))


def _state(client: "Redis") -> dict[str, Any]:
    with client:
        try:
            states = cast("dict[str, dict[str, Any]]", client.sentinel_masters())
        except RedisError:
            return {}
        return states[SERVICE]
