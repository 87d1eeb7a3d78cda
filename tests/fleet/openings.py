"""How often servers stopped using Redis though nobody had taken it from them."""

from tests.fleet.fleet import Fleet
from tests.fleet.instance import Instance
from tests.fleet.run_state import RunState


class Openings:
    """Counts those that no fault explains: a machine so slow that an answer came too late."""

    def __init__(self, state: RunState[Fleet]) -> None:
        """Count from now on."""
        self._stage = state
        self._seen = self._count()
        self.unexplained = 0

    def look(self) -> None:
        """Count what came since the last look; to be called whenever a fault begins or ends."""
        seen = self._count()
        if not self._stage.is_redis_away:
            # A server that was restarted counts from 0.
            self.unexplained += sum(
                max(0, count - self._seen[instance]) for instance, count in seen.items()
            )
        self._seen = seen

    def _count(self) -> dict[Instance, int]:
        return {instance: instance.web.count_openings() for instance in self._stage.fleet.instances}
