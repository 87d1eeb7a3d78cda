"""Readers and writers in one process: what they ask the database, and what they see too late."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from django.db import connection, transaction

from accounts.models import User
from benchmarks.ledger import Ledger
from benchmarks.workloads.lookups import LOOKUPS
from benchmarks.zipf import Zipf

BATCH: Final = 100
"""Requests between two looks at the clock."""


@dataclass
class Counts:
    """What one thread did, and what it saw."""

    reads: int = 0
    writes: int = 0
    read_queries: int = 0
    write_queries: int = 0
    stale: int = 0
    """Reads that showed less than was acknowledged before they began."""


class Worker:
    """One thread's share of the load. A user's version is their `token_version`."""

    def __init__(
        self, lookup: str, first_id: int, zipf: Zipf, write_share: float, ledger: Ledger
    ) -> None:
        """Take what is drawn from; the same draws make the same requests."""
        self._look_up: Callable[[int], Any] = LOOKUPS[lookup]
        self._first_id = first_id
        self._zipf = zipf
        self._write_share = write_share
        self._ledger = ledger
        self._queries = 0

    def run(self, ended: threading.Event) -> Counts:
        """Read and write until the end."""
        counts = Counts()
        with connection.execute_wrapper(self._count_query):
            while not ended.is_set():
                for user in self._zipf.draw(BATCH):
                    if self._zipf.random.random() < self._write_share:
                        self._write(user)
                        counts.writes += 1
                        counts.write_queries += self._take_queries()
                    else:
                        counts.stale += self._read(user)
                        counts.reads += 1
                        counts.read_queries += self._take_queries()
        connection.close()
        return counts

    def _read(self, user: int) -> bool:
        newest = self._ledger.newest(user)
        found = self._look_up(self._first_id + user)
        return bool(found.token_version < newest)

    def _write(self, user: int) -> None:
        with transaction.atomic():
            row = User.objects.select_for_update().get(pk=self._first_id + user)
            row.token_version += 1
            row.save(update_fields=["token_version", "updated_at"])
        self._ledger.acknowledge(user, row.token_version)

    def _count_query(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self._queries += 1
        return execute(*arguments)

    def _take_queries(self) -> int:
        taken, self._queries = self._queries, 0
        return taken


def make_load(
    *,
    lookup: str,
    first_id: int,
    users: int,
    exponent: float,
    write_share: float,
    ledger: str,
    process: int,
    threads: int,
    seconds: float,
    seed: int,
) -> dict[str, float]:
    """Read and write for so long in so many threads, and return the sum of their counts."""
    shared = Ledger(Path(ledger), users=users, process=process)
    ended = threading.Event()
    draws = [Zipf(users, exponent, Random(seed * threads + n)) for n in range(threads)]
    workers = [Worker(lookup, first_id, zipf, write_share, shared) for zipf in draws]
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        runs = [pool.submit(worker.run, ended) for worker in workers]
        time.sleep(seconds)
        ended.set()
        counts = [asdict(run.result()) for run in runs]
    total: dict[str, float] = {name: sum(c[name] for c in counts) for name in counts[0]}
    return {**total, "seconds": time.perf_counter() - began}
