"""SIGHUP brings in new code: nobody is turned away, and only workers that are ready take over."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from http.client import HTTPException
from pathlib import Path
from threading import Event

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import User
from tests.cast import token_of
from tests.e2e.busy_machine import busy_machine
from tests.e2e.http_client import HttpClient
from tests.e2e.production_server import ProductionServer
from tests.sizes import sizes
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

CLIENTS = 4
SPAWNED = "Spawning worker-1"
SWITCHED = "Stopped old worker-1"


def keep_asking(client: HttpClient, ended: Event) -> list[object]:
    """Return every answer that was not 200, and every connection that failed."""
    wrong = list[object]()
    while not ended.is_set():
        try:
            answer = client.get("/auth/verify")
        except (OSError, HTTPException) as error:
            wrong.append(error)
        else:
            wrong += [answer] if answer.status != 200 else []
    return wrong


def wait_for_line(server: ProductionServer, line: str, times: int) -> None:
    wait_until(lambda: server.read_log().count(line) >= times, f"{line}, {times} times")


@sizes("reloads", short=1, long=2)
def test_no_request_is_lost_while_workers_are_replaced(
    alice: User, tmp_path: Path, reloads: int
) -> None:
    """By one worker, again and again; the long one on a machine that has other things to do."""
    machine = busy_machine() if reloads > 1 else nullcontext()
    ended = Event()
    with ProductionServer(tmp_path) as server, ThreadPoolExecutor(CLIENTS) as pool:
        client = HttpClient(server.url, token_of(alice))
        asking = [pool.submit(keep_asking, client, ended) for _ in range(CLIENTS)]
        try:
            with machine:
                for done in range(1, reloads + 1):
                    os.kill(server.pid, signal.SIGHUP)
                    wait_for_line(server, SWITCHED, done)
        finally:
            ended.set()
        assert [future.result() for future in asking] == [[]] * CLIENTS


@pytest.mark.long
def test_a_worker_that_is_not_ready_takes_nobody_s_place(alice: User, tmp_path: Path) -> None:
    """Here for want of a migration; it does once that is applied. SIGTERM need not wait for it."""
    migrations = MigrationRecorder(connection)
    with ProductionServer(tmp_path) as server:
        client = HttpClient(server.url, token_of(alice))
        migrations.record_unapplied("usercache_observability", "0001_initial")
        try:
            os.kill(server.pid, signal.SIGHUP)
            wait_for_line(server, SPAWNED, 2)
            for _ in range(20):
                assert client.get("/auth/verify").status == 200
            assert client.get("/health/ready").status == 503
            assert SWITCHED not in server.read_log()
        finally:
            migrations.record_applied("usercache_observability", "0001_initial")
        wait_for_line(server, SWITCHED, 1)
        assert client.get("/auth/verify").status == 200

        migrations.record_unapplied("usercache_observability", "0001_initial")
        try:
            os.kill(server.pid, signal.SIGHUP)
            wait_for_line(server, SPAWNED, 3)
            os.kill(server.pid, signal.SIGTERM)
            assert server.wait() == 0
        finally:
            migrations.record_applied("usercache_observability", "0001_initial")
