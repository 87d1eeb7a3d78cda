"""The nodes of the slots, looked up on a thread of its own, so that no command waits for it."""

import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from usercache.redis_topologies.threads import start_thread

PAUSE_SECONDS: Final = 1.0
ROUNDS: Final = 60
"""How often to repeat the look-up while a primary doesn't answer; a failover takes seconds."""


class Topology:
    """Hold the cluster's slots and nodes, and look them up again after a failure.

    All threads of a process share one; a forked child starts again.
    """

    _lock: threading.Lock
    _cluster: RedisCluster | None
    _worker: "Future[RedisCluster] | None"
    _is_wanted: bool

    def __init__(self, connect: Callable[[], RedisCluster], wait_seconds: float | None) -> None:
        """Take a function that connects, and how long its first caller may wait."""
        self._connect = connect
        self._wait_seconds = wait_seconds
        self._begin()
        _TOPOLOGIES.add(self)

    def get(self) -> RedisCluster:
        """Return redis-py's client, which has the slots.

        Raises:
            redis.ConnectionError: no node answered, or none in time.
        """
        if self._cluster is not None:
            return self._cluster
        first = self.refresh()
        try:
            return first.result(self._wait_seconds)
        except FutureTimeoutError:
            raise RedisTimeoutError("No node of the cluster answered in time.") from None

    def refresh(self) -> "Future[RedisCluster]":
        """Look slots and nodes up again on another thread; doesn't wait.

        Raises:
            redis.ConnectionError: no thread can be started.
        """
        with self._lock:
            self._is_wanted = True
            if self._worker is None:
                worker = Future[RedisCluster]()
                start_thread("usercache-cluster", self._work, worker)
                self._worker = worker
            return self._worker

    def close(self) -> None:
        """Close every connection; the next command connects again."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._cluster = self._worker = None
        self._is_wanted = False

    def _work(self, worker: "Future[RedisCluster]") -> None:
        try:
            self._settle(worker)
        finally:
            # Or an unexpected error would leave every caller waiting for a thread that has ended.
            with self._lock:
                if self._worker is worker:
                    self._worker = None

    def _settle(self, worker: "Future[RedisCluster]") -> None:
        pause = threading.Event()
        for _ in range(ROUNDS):
            with self._lock:
                if self._worker is not worker:
                    return  # the parent's, in a forked child
                if not self._is_wanted:
                    self._worker = None
                    return
                self._is_wanted = False
            if not self._is_settled(worker):
                self._is_wanted = True
                pause.wait(PAUSE_SECONDS)

    def _is_settled(self, worker: "Future[RedisCluster]") -> bool:
        try:
            cluster = self._cluster = self._update()
        # IndexError: without any slot, redis-py takes the first of no primaries.
        except (RedisError, RedisClusterException, IndexError) as error:
            if not worker.done():
                reason = RedisConnectionError(f"No node of the cluster knows its slots: {error}")
                worker.set_exception(reason)
            return False
        if not worker.done():
            worker.set_result(cluster)
        primaries = cluster.get_primaries()  # type: ignore[no-untyped-call]
        return all(_answers(cluster, node) for node in primaries)

    def _update(self) -> RedisCluster:
        cluster = self._cluster
        if cluster is not None:
            try:
                cluster.nodes_manager.initialize()
            except (RedisError, RedisClusterException, IndexError):
                pass  # all have moved: start with the configured addresses
            else:
                return cluster
        return self._connect()


_TOPOLOGIES: Final = weakref.WeakSet[Topology]()


def _answers(cluster: RedisCluster, node: ClusterNode) -> bool:
    try:
        return bool(cluster.get_redis_connection(node).ping())
    except RedisError:
        return False


def _begin_anew() -> None:
    for topology in _TOPOLOGIES:
        topology._begin()


os.register_at_fork(after_in_child=_begin_anew)
