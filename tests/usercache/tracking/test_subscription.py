"""A connection that listens to messages: whatever else arrives on it ends it."""

from collections.abc import Iterator
from typing import cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    InvalidResponse,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
)

from tests.usercache.tracking.wire import Wire
from usercache.backends import lua
from usercache.l1.listener import Answer, Changes
from usercache.tracking.subscription import SubscribedConnection

CHANNEL = b"hmb:1:usercache:changes"
HEADS = {3: b">", 2: b"*"}
TOKEN_HEX_DIGITS = 16
KIBIBYTE = 1024
NO_SECONDS = 0.001
NOBODY = b":0\r\n"
"""The answer to a message that nobody hears."""


class Subscription(Wire):
    """A connection that listens, and the server's ends of it."""

    def __init__(self, protocol: int = 3) -> None:
        self.head = HEADS[protocol]
        super().__init__(SubscribedConnection, protocol, (self.confirm(b"1"), NOBODY))
        name, *channels = self.heard().split(b"\r\n")[2::2]
        assert name == b"SUBSCRIBE"
        self.changes, self.heartbeats = channels
        assert b"PUBLISH" in self.second.recv(KIBIBYTE)

    def make(self, channel: bytes, text: bytes, name: bytes = b"message") -> bytes:
        """Make a message."""
        words = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in (name, channel, text))
        return self.head + b"3\r\n" + words

    def confirm(self, channel: bytes) -> bytes:
        """Make the answer to SUBSCRIBE for one of the channels."""
        return self.head + b"3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n" % (
            len(channel),
            channel,
        )

    def beat(self, answer: bytes = NOBODY) -> list[bytes]:
        """Have a heartbeat sent that the server answers so, and return its words."""
        self.second.sendall(answer)
        cast(SubscribedConnection, self.line).send_heartbeat()
        return self.second.recv(10 * KIBIBYTE).split(b"\r\n")[2::2]


@pytest.fixture(params=HEADS)
def wire(request: pytest.FixtureRequest) -> Iterator[Subscription]:
    """Give one in each protocol, confirmed."""
    wire = Subscription(request.param)
    assert wire.take(wire.confirm(wire.heartbeats)) == []
    yield wire
    wire.close()


def test_it_has_a_channel_of_its_own(wire: Subscription) -> None:
    """Beside the one of all; two connections share none for heartbeats."""
    other = Subscription()
    assert wire.changes == other.changes == CHANNEL
    for each in (wire, other):
        assert each.heartbeats.startswith(CHANNEL + b":")
        assert len(each.heartbeats) == len(CHANNEL) + 1 + TOKEN_HEX_DIGITS
    assert wire.heartbeats != other.heartbeats
    other.close()


def test_server_that_does_not_confirm() -> None:
    """Is no voice: a heartbeat that is sent before is heard by nobody, and is then awaited."""
    answers = b"", NOBODY
    with pytest.raises(RedisConnectionError):
        Wire(SubscribedConnection, answers=answers, socket_timeout=NO_SECONDS)


def test_messages_come_in_order(wire: Subscription) -> None:
    """A key without the prefix, all keys, and the heartbeat between them."""
    [*words, channel] = wire.beat()
    assert b"\r\n".join(words).startswith(b"EVAL")
    beaten = b"hmb:1:heartbeat:1"
    assert beaten in words
    assert channel == wire.heartbeats
    assert wire.take(
        wire.make(CHANNEL, b"hmb:1:user:id:7")
        + wire.make(wire.heartbeats, beaten)
        + wire.make(CHANNEL, b"hmb:1:usercache:every{3}")
    ) == [Changes(["user:id:7"]), Answer.HEARTBEAT, Changes(None)]


def test_heartbeat_is_what_changes_are_published_by(wire: Subscription) -> None:
    """The script of an invalidation, for another key each time."""
    for number in (1, 2):
        words = b"\r\n".join(wire.beat())
        assert b"hmb:1:heartbeat:%d" % number in words
        assert lua.INVALIDATE.splitlines()[1].encode() in words
        wire.take(wire.make(wire.heartbeats, b"hmb:1:heartbeat:%d" % number))


def test_message_in_pieces(wire: Subscription) -> None:
    """However it is cut, it is one message."""
    whole = wire.make(CHANNEL, b"hmb:1:user:id:7")
    for end in range(1, len(whole)):
        assert wire.take(whole[:end]) == []
        assert wire.is_amid()
        assert wire.take(whole[end:]) == [Changes(["user:id:7"])]
        assert not wire.is_amid()


@pytest.mark.parametrize("is_awaited", [True, False])
def test_whatever_is_unexpected_ends_it(wire: Subscription, is_awaited: bool) -> None:
    """Whether or not a heartbeat is awaited, which only its own message answers, once."""
    beat = wire.make(wire.heartbeats, b"hmb:1:heartbeat:1")
    hostile = [
        wire.make(wire.heartbeats, b"hmb:1:heartbeat:2"),
        wire.make(wire.heartbeats, b"hmb:1:heartbeat"),
        wire.make(CHANNEL, b"other:user:id:7"),
        wire.make(b"another", b"hmb:1:user:id:7"),
        wire.make(CHANNEL, b"hmb:1:user:id:7", b"smessage"),
        wire.make(CHANNEL, b"1", b"unsubscribe"),
        wire.make(CHANNEL, b"1", b"subscribe"),
        wire.head + b"2\r\n$4\r\npong\r\n$0\r\n\r\n",
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$15\r\nhmb:1:user:id:7\r\n",
        b":0\r\n",
        b"+OK\r\n",
        b"\r\n",
        wire.head + b"3\r\n$7\r\nmessage\r\n$%d\r\n" % (KIBIBYTE**2 + 1),
    ]
    hostile.append(beat + beat if is_awaited else beat)
    for sent in hostile:
        each = Subscription(3 if wire.head == b">" else 2)
        if is_awaited:
            each.beat()
        with pytest.raises(InvalidResponse):
            each.take(sent.replace(wire.heartbeats, each.heartbeats))
        each.close()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"-NOPERM this user has no permissions to run 'subscribe'\r\n", NoPermissionError),
        (b"-READONLY You can't write against a read only replica.\r\n", ReadOnlyError),
    ],
)
def test_refusal_is_raised_by_its_name(
    wire: Subscription, text: bytes, error: type[RedisError]
) -> None:
    """Of the subscription as of the heartbeat."""
    with pytest.raises(error):
        wire.beat(text)
    with pytest.raises(error):
        wire.take(text)


def test_closed_stays_closed(wire: Subscription) -> None:
    """It never listens on another connection."""
    wire.line.close()
    with pytest.raises(RedisConnectionError):
        list(wire.line.take())
