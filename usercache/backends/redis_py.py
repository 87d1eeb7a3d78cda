"""What differs between the versions of redis-py, from 5 to 8."""

from collections.abc import Mapping
from typing import Any, Final

from redis import VERSION
from redis.connection import DEFAULT_RESP_VERSION  # type: ignore[attr-defined]  # redis-py's

try:
    from redis.maint_notifications import MaintNotificationsConfig
except ModuleNotFoundError:  # redis-py 5 and 6, which know no such notices
    _OFF: dict[str, Any] = {}
else:
    _OFF = {"maint_notifications_config": MaintNotificationsConfig(enabled=False)}

RESP3: Final = 3
"""The version of Redis' protocol that has messages between the answers."""
HAS_CLUSTER: Final = VERSION[:2] >= (7, 4)
"""Whether our cluster client works with it.

Up to 7.1 it can't move one slot at once. In 5 and 6 looking up the slots also closes connections in
use, and their callers get an AttributeError.
"""


def without_maintenance_notices(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options, such that a server's notices of maintenance change nothing."""
    # In protocol 2, the default of redis-py 7, there are none, and the option is refused.
    is_resp3 = int(options.get("protocol") or DEFAULT_RESP_VERSION) == RESP3
    return {**options, **_OFF} if is_resp3 else {**options}
