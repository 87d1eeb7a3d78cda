"""A process that is the server and all clients of some proxies, and sees in which order they bring.

It doesn't compete for the proxies' interpreter lock. It prints its port, reads the proxies' ports,
and prints how often a client got later what it had been sent earlier than another one.
"""

import select
import socket
import sys
from contextlib import ExitStack

HOST = "127.0.0.1"
WAIT_SECONDS = 60.0


def main(rounds: int) -> None:
    """Play so many rounds."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server((HOST, 0)))
        server.settimeout(WAIT_SECONDS)
        print(server.getsockname()[1], flush=True)
        clients, sides = [], []
        for port in sys.stdin.readline().split():
            client = socket.create_connection((HOST, int(port)), WAIT_SECONDS)
            clients.append(stack.enter_context(client))
            sides.append(stack.enter_context(server.accept()[0]))
        print(sum(count_late(clients, sides) for _ in range(rounds)))


def count_late(clients: list[socket.socket], sides: list[socket.socket]) -> int:
    """Send to all clients, the last one last; once that has it, count those that don't.

    What they get just before finds or makes the proxies busy with their connections alone.
    """
    for side in sides[:-1]:
        side.sendall(b"!")
    for client in clients[:-1]:
        client.recv(1)
    for side in sides:
        side.sendall(b"!")
    clients[-1].recv(1)
    there = select.select(clients[:-1], [], [], 0)[0]
    for client in clients[:-1]:
        client.recv(1)
    return len(clients[:-1]) - len(there)


if __name__ == "__main__":
    main(int(sys.argv[1]))
