"""Checksums that a link leaves to the network card: switched off where cards get them wrong inside tunnels. Blocks.

Source: linux/ethtool.h, ETHTOOL_STXCSUM; netdevice(7) for SIOCETHTOOL. Known trouble: flannel issue 1279.
"""

import array
import fcntl
import socket
import struct

_SIOCETHTOOL, _GTXCSUM, _STXCSUM = 0x8946, 0x16, 0x17


def computes_itself(link: str) -> bool:
    """Whether the kernel computes them for that link. Raises OSError."""
    return _ask(link, _GTXCSUM, 0) == 0


def compute(link: str) -> None:
    """Let the kernel compute them. Raises OSError."""
    _ask(link, _STXCSUM, 0)


def _ask(link: str, command: int, value: int) -> int:
    data = array.array("B", struct.pack("=II", command, value))
    address, _ = data.buffer_info()
    request = struct.pack("16sP", link.encode(), address) + bytes(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
    found: int = struct.unpack("=II", data.tobytes())[1]
    return found
