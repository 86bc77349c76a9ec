"""One packet out of a pod: the first one of a TCP connection, or a datagram. Blocks; the caller is in the pod's network namespace."""

import errno
import socket
import struct

from pilothouse.network.trace.wanted import Wanted

PAYLOAD = b"pilothouse trace\n"
ANSWERED, REFUSED, SILENT, NOT_SENT, UNREACHABLE = "answered", "refused", "silent", "not sent", "unreachable"
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM)


def send(wanted: Wanted) -> tuple[str, str]:
    """What came of it, and the words of the error if there was one. Raises OSError when the port is in use in the pod."""
    sending = wanted.sending
    assert sending is not None
    family = socket.AF_INET6 if ":" in sending.destination else socket.AF_INET
    kind = socket.SOCK_DGRAM if wanted.protocol == "udp" else socket.SOCK_STREAM
    number = 132 if wanted.protocol == "sctp" else 0
    with socket.socket(family, kind, number) as sender:
        sender.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", wanted.source_port))  # noqa: S104 - of the pod, for its own packet
        sender.settimeout(wanted.seconds)
        return _exchange(sender, (sending.destination, sending.port), is_stream=kind == socket.SOCK_STREAM)


def _exchange(sender: socket.socket, to: tuple[str, int], *, is_stream: bool) -> tuple[str, str]:
    sent = False
    try:
        sender.connect(to)
        sent = is_stream
        if is_stream:
            # No more packets than needed: the connection ends without ceremony.
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return ANSWERED, ""
        sender.send(PAYLOAD)
        sent = True
        sender.recv(1)
    except TimeoutError:
        return SILENT, ""
    except ConnectionRefusedError as error:
        return REFUSED, error.strerror or ""
    except OSError as error:
        words = error.strerror or str(error)
        if error.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL) and not sent:
            return NOT_SENT, words
        return (UNREACHABLE if error.errno in _UNREACHABLE else NOT_SENT), words
    return ANSWERED, ""
