"""A Redis (or Valkey) of our own that keeps nothing on disk."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.binaries import find_redis
from tests.servers.server import HOST, Server

PING_SECONDS = 1.0
_OF_CLIENT = ("getname", "id", "info", "kill", "list", "pause", "setname", "unpause")
WITH_TRACKING = ("+client",)
WITHOUT_TRACKING = ("-client", *(f"+client|{name}" for name in _OF_CLIENT))
"""Rules of an ACL. Before Redis 7 it can't take a single subcommand away."""


class RedisServer(Server):
    """An empty Redis on a loopback port: `with RedisServer(tmp_path) as server: server.url`."""

    def __init__(self, directory: Path, *arguments: str, password: str = "") -> None:
        """Take further command-line arguments, such as `"--maxclients", "1"`.

        With a password the server asks for it, and gives it to its primary if it has one.
        """
        super().__init__(directory)
        self.arguments = arguments
        self.password = password

    @property
    def url(self) -> str:
        """The URL of its database 0, as in `redis://:secret@127.0.0.1:6379/0`."""
        login = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{login}{HOST}:{self.port}/0"

    def client(self) -> redis.Redis:
        """Make a client that neither retries nor waits longer than a second; close it yourself."""
        return redis.Redis.from_url(
            self.url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=PING_SECONDS,
            socket_connect_timeout=PING_SECONDS,
        )

    def _command(self) -> Sequence[str | Path]:
        port = ("--bind", HOST, "--port", str(self.port))
        in_memory = ("--save", "", "--appendonly", "no", "--dir", str(self.directory))
        login = ("--requirepass", self.password, "--masterauth", self.password)
        return (
            find_redis(),
            *port,
            *in_memory,
            *(login if self.password else ()),
            *self.arguments,
        )

    def _is_ready(self) -> bool:
        with self.client() as client:
            try:
                # Its own process id, because a stranger may have got the port before it.
                return bool(client.info("server")["process_id"] == self.pid)
            except redis.AuthenticationError:  # `--requirepass` among the arguments
                return True
            except redis.RedisError:
                return False
