"""A line by itself: one socket, never another, and nothing on it that is believed unchecked."""

import selectors
import socket
from collections.abc import Iterator

import pytest
from redis import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, NoPermissionError, ReadOnlyError, RedisError

from tests.usercache.tracking.wire import PREFIX, Wire, WiredConnection
from usercache.l1.listener import Answer as Answered
from usercache.l1.listener import Changes
from usercache.tracking.connection import KEYS_AT_ONCE, TrackingConnection

TRACKED = b"+OK\r\n"
ANSWER = b":0\r\n"
HEAD = b">2\r\n$10\r\ninvalidate\r\n"
KEY = b"$15\r\nhmb:1:user:id:7\r\n"
FLUSH = HEAD + b"_\r\n"
ONE = HEAD + b"*1\r\n" + KEY
BROKEN_PIPE_TRIES = 3
KIBIBYTE = 1024


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Give a line on which tracking was confirmed."""
    wire = Wire()
    assert wire.take(TRACKED) == [Answered.TRACKING]
    words = wire.heard().split(b"\r\n")[2::2]
    assert b" ".join(words) == (
        b"CLIENT TRACKING ON BCAST PREFIX hmb:1:user:id: PREFIX hmb:1:user:ext:"
    )
    yield wire
    wire.close()


def test_line_is_readable_when_there_is_something_to_take(wire: Wire) -> None:
    """By its descriptor, as selectors want it, and no longer when it was taken."""
    with selectors.DefaultSelector() as selector:
        selector.register(wire.line, selectors.EVENT_READ)
        assert selector.select(0) == []
        wire.server.sendall(FLUSH)
        assert len(selector.select(0)) == 1
        assert list(wire.line.take()) == [Changes(None)]
        assert selector.select(0) == []


def test_heartbeat_is_a_deletion(wire: Wire) -> None:
    """It asks for what only a primary in charge grants, and either number is an answer."""
    for answer in (b":0\r\n", b":1\r\n"):
        wire.line.send_heartbeat()
        assert wire.heard() == b"*2\r\n$3\r\nDEL\r\n$15\r\nhmb:1:heartbeat\r\n"
        assert wire.take(answer) == [Answered.HEARTBEAT]


def test_changes_and_answers_come_in_order(wire: Wire) -> None:
    """Keys without the prefix, a flush as all keys, and answers in between."""
    wire.line.send_heartbeat()
    keys = HEAD + b"*2\r\n" + KEY + b"$15\r\nhmb:1:user:id:8\r\n"
    assert wire.take(keys + ANSWER + FLUSH) == [
        Changes(["user:id:7", "user:id:8"]),
        Answered.HEARTBEAT,
        Changes(None),
    ]
    assert list(wire.line.take()) == []


def test_message_in_pieces(wire: Wire) -> None:
    """However it is cut, it is one message, and the line says when one has begun and not ended."""
    for end in range(1, len(ONE)):
        assert not wire.is_amid()
        assert wire.take(ONE[:end]) == []
        assert wire.is_amid()
        assert wire.take(ONE[end:]) == [Changes(["user:id:7"])]
    assert not wire.is_amid()


def test_message_of_very_many_keys_is_passed_on_in_parts(wire: Wire) -> None:
    """What it costs in memory doesn't grow with it, and the first keys are dropped first."""
    count = 2 * KEYS_AT_ONCE + 1
    told = wire.take(HEAD + b"*%d\r\n" % count + KEY * (KEYS_AT_ONCE + 1))
    assert [len(part.keys or ()) for part in told if isinstance(part, Changes)] == [KEYS_AT_ONCE]
    assert wire.is_amid()
    rest = [part.keys or [] for part in wire.take(KEY * KEYS_AT_ONCE) if isinstance(part, Changes)]
    assert sum(map(len, rest)) == KEYS_AT_ONCE + 1


def test_key_that_is_no_text(wire: Wire) -> None:
    """Others may write such a key under our prefix; it ends nothing."""
    assert wire.take(HEAD + b"*1\r\n$8\r\nhmb:1:\xff\xfe\r\n") == [Changes(["\ufffd\ufffd"])]


HOSTILE = {
    "answer to nothing": ANSWER,
    "another message": b">2\r\n$7\r\nmessage\r\n",
    "tracking that has ended": b">1\r\n$22\r\ntracking-redir-broken\r\n",
    "key of another prefix": HEAD + b"*1\r\n$11\r\nx:user:id:7\r\n",
    "no list": HEAD + b"$1\r\nx\r\n",
    "negative list": HEAD + b"*-1\r\n",
    "odd number": HEAD + b"*1_0\r\n",
    "number in key's place": HEAD + b"*1\r\n:7\r\n",
    "no number": HEAD + b"*x\r\n",
    "key longer than it says": HEAD + b"*1\r\n$6\r\nhmb:1:user\r\n",
    "text without end": HEAD + b"*1\r\n$6\r\nhmb:1:xx" + FLUSH,
    "very long key": HEAD + b"*1\r\n$%d\r\n" % (KIBIBYTE**2 + 1),
    "line without end": b":" + b"0" * (4 * KIBIBYTE),
    "empty line": b"\r\n",
    "older protocol": b"*3\r\n$7\r\nmessage\r\n",
    "garbage": b"HTTP/1.1 400 Bad Request\r\n",
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_is_unexpected_ends_the_line(wire: Wire, sent: bytes) -> None:
    """It is an error by name, whether or not an answer is awaited."""
    with pytest.raises(InvalidResponse):
        wire.take(sent)


@pytest.mark.parametrize(
    "sent", [HEAD + b"*1\r\n$%d\r\n" % KIBIBYTE**2, b":" + b"0" * (4 * KIBIBYTE - 1)]
)
def test_longest_that_is_believed(wire: Wire, sent: bytes) -> None:
    """Its rest is waited for."""
    assert wire.take(sent) == []
    assert wire.is_amid()


@pytest.mark.parametrize(
    "sent", [b"+OK\r\n", b"$1\r\n0\r\n", b"_\r\n", b"(5\r\n", b"#t\r\n", b"*0\r\n"]
)
def test_heartbeat_wants_a_number(wire: Wire, sent: bytes) -> None:
    """Any other answer is none."""
    wire.line.send_heartbeat()
    with pytest.raises(InvalidResponse):
        wire.take(sent)


def test_heartbeat_is_answered_once(wire: Wire) -> None:
    """A second answer stands for no later heartbeat."""
    wire.line.send_heartbeat()
    with pytest.raises(InvalidResponse):
        wire.take(ANSWER + ANSWER)


def test_tracking_must_be_confirmed() -> None:
    """By OK and nothing else."""
    wire = Wire()
    assert not wire.is_amid()
    with pytest.raises(InvalidResponse):
        wire.take(ANSWER)
    wire.close()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"-NOPERM no permissions to run client|tracking\r\n", NoPermissionError),
        (b"-READONLY You can't write against a read only replica.\r\n", ReadOnlyError),
    ],
)
def test_refusal_is_raised_by_its_name(wire: Wire, text: bytes, error: type[RedisError]) -> None:
    """So that it is counted as what it is."""
    wire.line.send_heartbeat()
    with pytest.raises(error):
        wire.take(text)


def test_line_that_was_closed_stays_so(wire: Wire) -> None:
    """However it is closed: neither reading nor sending connects again."""
    wire.line._connection.disconnect()
    for use in (lambda: list(wire.line.take()), wire.line.send_heartbeat):
        with pytest.raises(RedisConnectionError):
            use()
    assert wire.line._connection._sock is None


def test_server_that_hangs_up(wire: Wire) -> None:
    """The end of the connection is an error, and so is every further use."""
    wire.server.close()
    for _ in range(BROKEN_PIPE_TRIES):
        with pytest.raises(RedisConnectionError):
            list(wire.line.take())
    with pytest.raises(RedisConnectionError):
        wire.line.send_heartbeat()


def test_line_is_in_no_pool(wire: Wire) -> None:
    """A pool that is used up has a line all the same, and one that disconnects doesn't end it."""
    wire.line.pool.max_connections = 0
    wire.line.pool.disconnect()
    wire.line.pool.reset()
    assert wire.take(ONE) == [Changes(["user:id:7"])]


@pytest.mark.parametrize("owns", [True, False])
def test_line_is_compared_with_where_the_pool_connects_to(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, owns: bool
) -> None:
    """Sentinels may have told the pool of another primary."""
    monkeypatch.setattr(wire.line.pool, "owns_connection", lambda _connection: owns)
    assert wire.line.is_current is owns


def test_older_protocol_is_refused() -> None:
    """Without messages between answers there is nothing to listen to."""
    l1, server = socket.socketpair()
    WiredConnection.ends = [l1]
    pool = ConnectionPool(connection_class=WiredConnection, protocol=2)
    with server, pytest.raises(RedisConnectionError, match="protocol 3"):
        TrackingConnection(pool, PREFIX, "heartbeat")
    assert l1.fileno() == -1
