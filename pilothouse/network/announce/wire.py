"""A link as the announcer sees it: frames sent by hand, and the few received that the kernel's filter lets through.

Owned by the event loop. Frames of others cost this process nothing: the filter passes only those that claim an address which is watched,
or, where the watched ones are in very many places, one between them.
Source: packet(7), socket(7) (SO_ATTACH_FILTER).
"""

import asyncio
import ctypes
import socket
import struct
from collections.abc import Callable, Collection
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import structlog

from pilothouse.linux.interfaces import Address, Link
from pilothouse.network.announce import frames

log = structlog.get_logger("network.announce")

_ATTACH_FILTER = 26
_OUTGOING = 4
_MOST_BYTES = 256
_BATCH = 64
"""Frames that are read in one turn of the loop."""
OnClaim = Callable[[str, Address, bytes], None]
"""Called with the link's name, the address, and the MAC address of who says that it has it."""


class Wire:
    """on_claim: hears of watched addresses that others claim. Raises OSError when the link is gone."""

    def __init__(self, link: Link, on_claim: OnClaim) -> None:
        self.link = link
        self._on_claim = on_claim
        self._sockets: dict[int, socket.socket] = {}
        self._watched: frozenset[Address] = frozenset()

    def watch(self, addresses: Collection[Address]) -> None:
        """Hear from now on what others say of these, and of no others."""
        watched = frozenset(addresses)
        if watched == self._watched:
            return
        self._watched = watched
        four = [each for each in watched if isinstance(each, IPv4Address)]
        six = [each for each in watched if isinstance(each, IPv6Address)]
        self._filter(frames.ARP, frames.arp_filter(four) if four else None)
        self._filter(frames.IPV6, frames.advert_filter(six) if six else None)

    def send(self, frame: bytes) -> None:
        """A frame that cannot be sent is lost, as on any link."""
        kind = int.from_bytes(frame[12:14], "big")
        channel = self._sockets.get(kind)
        if channel is not None:
            with suppress(OSError):
                channel.send(frame)

    def close(self) -> None:
        for kind in list(self._sockets):
            self._close(kind)

    def _filter(self, kind: int, instructions: list[frames.Instruction] | None) -> None:
        if instructions is None:
            self._close(kind)
            return
        program = frames.program(instructions)
        buffer = ctypes.create_string_buffer(program)
        described = struct.pack("@HP", len(instructions), ctypes.addressof(buffer))
        if kind in self._sockets:
            self._sockets[kind].setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, described)
            return
        # Of no protocol until the filter is there: nothing arrives unfiltered.
        channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        channel.setblocking(False)
        channel.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, described)
        channel.bind((self.link.name, kind))
        self._sockets[kind] = channel
        asyncio.get_running_loop().add_reader(channel, self._read, channel)

    def _close(self, kind: int) -> None:
        channel = self._sockets.pop(kind, None)
        if channel is not None:
            asyncio.get_running_loop().remove_reader(channel)
            channel.close()

    def _read(self, channel: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                frame, (_name, _protocol, packet_type, _hardware, _mac) = channel.recvfrom(_MOST_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                # The link is gone, or down for a moment; the next look at the links tells.
                log.debug("link not read", link=self.link.name, error=str(error))
                return
            found = frames.claimed(frame) if packet_type != _OUTGOING else None
            if found is not None and found[0] in self._watched and found[1] != self.link.mac:
                self._on_claim(self.link.name, *found)
