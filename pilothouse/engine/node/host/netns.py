"""A TCP connection from inside a pod's network namespace, so that a process which listens on the pod's loopback is reached too."""

import ctypes
import os
import socket
import threading

CLONE_NEWNET = 0x40000000
CONNECT_S = 10.0


def connect(netns: str, port: int) -> socket.socket:
    """Blocking; raises OSError. netns: path of the namespace, "" for this one. The connection is to localhost, IPv4 before IPv6.

    A thread of its own enters the namespace and ends with it: no thread of a pool is left in the wrong one.
    """
    result: list[socket.socket | OSError] = []

    def work() -> None:
        try:
            if netns:
                _enter(netns)
            result.append(_connect(port))
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=work, name="netns", daemon=True)
    thread.start()
    thread.join()
    found = result[0]
    if isinstance(found, OSError):
        raise found
    return found


def _enter(path: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(file, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(file)


def _connect(port: int) -> socket.socket:
    try:
        return socket.create_connection(("127.0.0.1", port), CONNECT_S)
    except ConnectionRefusedError:
        return socket.create_connection(("::1", port), CONNECT_S)
