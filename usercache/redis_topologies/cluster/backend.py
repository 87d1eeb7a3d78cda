"""The cache's backend where keys are spread over the primaries of a cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis import ConnectionPool

from usercache.backends.redis import Command, RedisBackend
from usercache.redis_topologies.cluster.redis import ClusterRedis


class ClusterBackend(RedisBackend):
    """Send each command to the primary of its key; `ClusterClient` names this class."""

    keys_per_script = 1  # those of one call must share a slot
    topology = "cluster"

    @property
    def primaries(self) -> dict[str, ConnectionPool]:
        """The pool of each primary, by a hash tag of its slots; no I/O."""
        return self._cluster.get_primaries()

    def find_primaries_again(self) -> None:
        """Have the primaries looked up again."""
        self._cluster.look_again()

    def read_infos(self) -> Sequence[Mapping[str, Any]]:
        """Return each primary's answer to INFO; one round trip to all of them at once."""
        return self._cluster.info_of_primaries()

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        with self._cluster.pipeline() as pipe:
            for command in commands:
                pipe.execute_command(*command)
            answers: list[Any] = pipe.execute(raise_on_error=False)
            return answers

    @property
    def _cluster(self) -> ClusterRedis:
        return cast(ClusterRedis, self.client)
