"""The tests' TCP proxy does to a connection what a bad network does, and ends with its threads."""

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from subprocess import PIPE, Popen

import pytest

import tests.order_witness
from tests.servers.server import HOST
from tests.servers.tcp_proxy import TcpProxy
from tests.waiting import wait_until

WAIT_SECONDS = 60.0
SILENCE_SECONDS = 0.1
ROUNDS = 50
PROXIES = 4
BUSY_THREADS = 2


class Echo(socketserver.BaseRequestHandler):
    """Sends back what comes."""

    def handle(self) -> None:
        while chunk := self.request.recv(4096):
            self.request.sendall(chunk)


class EchoServer(socketserver.ThreadingTCPServer):
    """Knows how many connections it has."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), Echo)
        self.connections = 0

    def process_request(self, *arguments: object) -> None:
        self.connections += 1
        super().process_request(*arguments)  # type: ignore[arg-type]  # handed through

    def shutdown_request(self, *arguments: object) -> None:
        self.connections -= 1
        super().shutdown_request(*arguments)  # type: ignore[arg-type]  # handed through


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: EchoServer) -> Iterator[TcpProxy]:
    with TcpProxy(server.server_address[1]) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[socket.socket]:
    with connect(proxy) as client:
        assert ask(client, b"hello") == b"hello"
        yield client


@pytest.fixture
def busy_threads() -> Iterator[None]:
    ended = threading.Event()

    def compute() -> None:
        while not ended.is_set():
            pass

    threads = [threading.Thread(target=compute) for _ in range(BUSY_THREADS)]
    for thread in threads:
        thread.start()
    yield
    ended.set()
    for thread in threads:
        thread.join()


def connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=WAIT_SECONDS)


def ask(client: socket.socket, question: bytes) -> bytes:
    client.sendall(question)
    answer = b""
    while len(answer) < len(question) and (chunk := client.recv(4096)):
        answer += chunk
    return answer


def is_silent(client: socket.socket) -> bool:
    client.settimeout(SILENCE_SECONDS)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    return False


def test_bytes_pass_in_both_directions(proxy: TcpProxy) -> None:
    """However many there are, on several connections at once."""
    with connect(proxy) as one, connect(proxy) as other:
        assert ask(one, b"1" * 10_000) == b"1" * 10_000
        assert ask(other, b"2") == b"2"


def test_what_came_first_is_passed_on_first(busy_threads: None) -> None:
    """On other connections and through other proxies, too, while threads keep this process busy."""
    command = [sys.executable, tests.order_witness.__file__, str(ROUNDS)]
    with (
        ExitStack() as stack,
        Popen(command, stdin=PIPE, stdout=PIPE, text=True) as witness,
    ):
        assert witness.stdin
        assert witness.stdout
        port = int(witness.stdout.readline())
        proxies = [stack.enter_context(TcpProxy(port)) for _ in range(PROXIES)]
        print(*(proxy.port for proxy in proxies), file=witness.stdin, flush=True)
        assert int(witness.stdout.readline()) == 0


def test_each_side_hears_when_the_other_hangs_up(
    server: EchoServer, proxy: TcpProxy, client: socket.socket
) -> None:
    """The server of the client, and the client of a server that has gone."""
    client.close()
    wait_until(lambda: server.connections == 0, "the server hears that the client left")
    server.server_close()
    with connect(proxy) as late:
        assert late.recv(1) == b""


def test_cut_line_refuses_until_restored(proxy: TcpProxy, client: socket.socket) -> None:
    """Open connections end, new ones are refused, and it comes back at the same port."""
    proxy.cut()
    assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.restore()
    with connect(proxy) as later:
        assert ask(later, b"again") == b"again"


def test_delay_holds_every_chunk_back(proxy: TcpProxy, client: socket.socket) -> None:
    """There and back, until it is restored."""
    proxy.delay(0.05)
    began = time.monotonic()
    assert ask(client, b"slow") == b"slow"
    assert time.monotonic() - began >= 0.1
    proxy.restore()
    assert ask(client, b"fast") == b"fast"


def test_restored_line_brings_what_was_held_back(proxy: TcpProxy, client: socket.socket) -> None:
    """At once, so that nothing sent later through another proxy overtakes it."""
    proxy.delay(2 * WAIT_SECONDS)
    client.sendall(b"held back")
    proxy.restore()
    assert client.recv(9) == b"held back"


def test_drip_sends_a_few_bytes_at_a_time(proxy: TcpProxy, client: socket.socket) -> None:
    """With a pause before each."""
    proxy.drip(2, 0.01)
    began = time.monotonic()
    assert ask(client, b"12345678") == b"12345678"
    assert time.monotonic() - began >= 0.04


def test_black_hole_accepts_and_is_silent(proxy: TcpProxy, client: socket.socket) -> None:
    """Old connections and new ones stay open and bring nothing."""
    proxy.black_hole()
    with connect(proxy) as later:
        for victim in (client, later):
            victim.sendall(b"anybody?")
            assert is_silent(victim)
    proxy.restore()
    with connect(proxy) as healed:
        assert ask(healed, b"back") == b"back"


def test_half_open_connection_is_silent(
    server: EchoServer, proxy: TcpProxy, client: socket.socket
) -> None:
    """The server is gone, the client isn't told; new connections work."""
    proxy.half_open()
    wait_until(lambda: server.connections == 0, "the server's side is closed")
    client.sendall(b"anybody?")
    assert is_silent(client)
    with connect(proxy) as later:
        assert ask(later, b"yes") == b"yes"


def test_reset_connection_is_an_error(proxy: TcpProxy, client: socket.socket) -> None:
    """Not an orderly end."""
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


@pytest.mark.parametrize("fault", ["pass", "cut", "black_hole", "half_open", "reset", "delay"])
def test_no_thread_is_left(server: EchoServer, fault: str) -> None:
    """Whatever state it and its connections are in, leaving it ends all it began."""
    before = threading.active_count()
    with TcpProxy(server.server_address[1]) as proxy, connect(proxy) as client:
        ask(client, b"hello")
        if fault == "delay":
            proxy.delay(WAIT_SECONDS)
            client.sendall(b"held back")
        elif fault != "pass":
            getattr(proxy, fault)()
    wait_until(lambda: threading.active_count() <= before, "its threads have ended")
