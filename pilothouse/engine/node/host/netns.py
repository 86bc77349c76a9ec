"""A TCP connection from inside a pod's network namespace, so that a process which listens on the pod's loopback is reached too."""

import socket
from functools import partial

from pilothouse.linux.netns import run_at

CONNECT_S = 10.0


def connect(netns: str, port: int) -> socket.socket:
    """Blocking; raises OSError. netns: path of the namespace, "" for this one. The connection is to localhost, IPv4 before IPv6."""
    return run_at(netns, partial(_connect, port)) if netns else _connect(port)


def _connect(port: int) -> socket.socket:
    try:
        return socket.create_connection(("127.0.0.1", port), CONNECT_S)
    except ConnectionRefusedError:
        return socket.create_connection(("::1", port), CONNECT_S)
