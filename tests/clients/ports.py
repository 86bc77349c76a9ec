"""Servers on ports of this machine, which are the ports of the played pods, and what tests say to them."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

WAIT_S = 10.0


def everything(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def echo(connection: socket.socket) -> None:
    for data in iter(lambda: connection.recv(65536), b""):
        connection.sendall(data)


def digest(connection: socket.socket) -> None:
    """Speaks only once it has heard the end."""
    connection.sendall(hashlib.sha256(everything(connection)).hexdigest().encode())


def greet(connection: socket.socket) -> None:
    """Speaks first and hangs up."""
    connection.sendall(b"good day\n")


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of this machine: the played pod's."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server, ThreadPoolExecutor(40) as threads:

        def work(connection: socket.socket) -> None:
            with connection:
                connection.settimeout(WAIT_S)
                serve(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threads.submit(work, connection)

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(5)


def send_all(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
