"""Takes new connections that will speak TLS, so that handshakes cannot crowd out the requests of those who are connected.

A handshake costs the event loop as much as several requests, and the loop would begin all that are waiting at once. So a connection is a
bare socket until its first bytes are there (who says nothing costs nothing), and then waits for its handshake: one at a time begins, at a
pace, in turn between the addresses that they come from, and so many are under way, of all and of one address.
"""

import asyncio
import math
import socket
import ssl
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from pilothouse.wire.limits import Limits
from pilothouse.wire.overload import HANDSHAKES, SILENT, Overload
from pilothouse.wire.secure.channel import READ_BYTES, Channel
from pilothouse.wire.secure.lingering import Lingering
from pilothouse.wire.secure.transport import Room, TlsTransport

_ACCEPTED_AT_ONCE = 32
_RETRY_S = 1.0
"""After an accept that failed, for want of file descriptors mostly: the connection stays waiting, and the loop would ask again at once."""
TLS_HANDSHAKE_S = 10.0
_PLAIN = b"HTTP/1.0 400 Bad Request\r\n\r\nThis port speaks HTTPS, and the request came as plain HTTP: use https:// in its address.\n"
_log = structlog.get_logger("wire")
Factory = Callable[[], asyncio.Protocol]
Address = tuple[Any, ...]


class _Silent:
    """A connection that has sent nothing yet. peer: host and port, for IPv6 more."""

    __slots__ = ("deadline", "peer", "sock")

    def __init__(self, sock: socket.socket, peer: Address, deadline: float) -> None:
        self.sock = sock
        self.peer = peer
        self.deadline = deadline

    @property
    def host(self) -> str:
        return str(self.peer[0])


class _Handshake:
    """A connection whose handshake is under way."""

    __slots__ = ("channel", "deadline", "peer", "sock")

    def __init__(self, sock: socket.socket, channel: Channel, peer: Address, deadline: float) -> None:
        self.sock = sock
        self.channel = channel
        self.peer = peer
        self.deadline = deadline


class Acceptor:
    """Listens on sock from its creation on. Owns every connection until its handshake is done; then it is the protocol's."""

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext, limits: Limits, make: Factory, overload: Overload) -> None:
        self.sockets = (sock,)
        self._tls = tls
        self._limits = limits
        self._make = make
        self._overload = overload
        self._loop = asyncio.get_running_loop()
        self._room = Room()
        self._lingering = Lingering(limits.linger_s, limits.silent)
        self._silent: OrderedDict[int, _Silent] = OrderedDict()
        self._speaking: OrderedDict[str, deque[_Silent]] = OrderedDict()
        self._waiting = 0
        self._handshakes: OrderedDict[int, _Handshake] = OrderedDict()
        self._under_way: Counter[str] = Counter()
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._resuming: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._accept)

    def close(self) -> None:
        """Take no more, and let go of those that have no connection yet."""
        (sock,) = self.sockets
        if sock.fileno() == -1:
            return
        self._loop.remove_reader(sock.fileno())
        sock.close()
        for timer in (self._timer, self._resuming):
            if timer is not None:
                timer.cancel()
        for silent in list(self._silent.values()):
            self._drop(silent)
        for waiting in self._speaking.values():
            for each in waiting:
                each.sock.close()
        for handshake in list(self._handshakes.values()):
            self._end(handshake).close()
        self._speaking.clear()
        self._waiting = 0

    def let_go(self) -> None:
        """Of those that linger, at the very end."""
        self._lingering.close()

    def sweep(self, now: float) -> None:
        """End those that have been silent, or shaking hands, for too long; called by the server's clock."""
        while self._silent and (oldest := next(iter(self._silent.values()))).deadline < now:
            self._drop(oldest)
        while self._handshakes and (longest := next(iter(self._handshakes.values()))).deadline < now:
            self._end(longest).close()
        self._lingering.sweep(now)

    def first_deadline(self) -> float:
        """Of those that `sweep` ends."""
        silent = next((each.deadline for each in self._silent.values()), math.inf)
        handshake = next((each.deadline for each in self._handshakes.values()), math.inf)
        return min(silent, handshake, self._lingering.first_deadline())

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, peer = self.sockets[0].accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                _log.warning("a connection could not be accepted", reason=error.strerror)
                self._pause()
                return
            sock.setblocking(False)
            self._listen(_Silent(sock, peer, self._loop.time() + self._limits.head_s))

    def _pause(self) -> None:
        (sock,) = self.sockets
        self._loop.remove_reader(sock.fileno())
        self._resuming = self._loop.call_later(_RETRY_S, self._loop.add_reader, sock.fileno(), self._accept)

    def _listen(self, silent: _Silent) -> None:
        if len(self._silent) >= self._limits.silent:
            oldest = next(iter(self._silent.values()))
            self._drop(oldest)
            self._overload.note(SILENT, oldest.host, self._limits.silent)
        self._silent[silent.sock.fileno()] = silent
        self._loop.add_reader(silent.sock.fileno(), self._spoke, silent)

    def _drop(self, silent: _Silent) -> None:
        self._forget(silent)
        silent.sock.close()

    def _forget(self, silent: _Silent) -> None:
        self._loop.remove_reader(silent.sock.fileno())
        del self._silent[silent.sock.fileno()]

    def _spoke(self, silent: _Silent) -> None:
        self._forget(silent)
        if self._waiting >= self._limits.silent:
            silent.sock.close()
            self._overload.note(HANDSHAKES, silent.host, self._limits.silent)
            return
        self._speaking.setdefault(silent.host, deque()).append(silent)
        self._waiting += 1
        self._go_on()

    def _go_on(self) -> None:
        """Begin the next handshake when it is time."""
        if self._timer is None and self._next() is not None:
            self._timer = self._loop.call_at(max(self._next_at, self._loop.time()), self._begin)

    def _next(self) -> str | None:
        """The address whose turn it is; None while nobody's may begin."""
        if len(self._handshakes) >= self._limits.handshakes:
            return None
        return next((address for address in self._speaking if self._under_way[address] < self._limits.handshakes_each), None)

    def _begin(self) -> None:
        self._timer = None
        address = self._next()
        if address is None:
            return
        waiting = self._speaking[address]
        spoke = waiting.popleft()
        self._waiting -= 1
        if waiting:
            self._speaking.move_to_end(address)
        else:
            del self._speaking[address]
        limits, now = self._limits, self._loop.time()
        self._next_at = max(self._next_at, now - limits.handshake_burst * limits.handshake_every_s) + limits.handshake_every_s
        self._shake_hands(spoke, now)
        self._go_on()

    def _shake_hands(self, spoke: _Silent, now: float) -> None:
        try:
            spoke.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            spoke.sock.close()
            return
        handshake = _Handshake(spoke.sock, Channel(self._tls), spoke.peer, now + TLS_HANDSHAKE_S)
        self._handshakes[spoke.sock.fileno()] = handshake
        self._under_way[spoke.host] += 1
        self._loop.add_reader(spoke.sock.fileno(), self._proceed, handshake)
        self._proceed(handshake)

    def _proceed(self, handshake: _Handshake) -> None:
        sock, channel = handshake.sock, handshake.channel
        try:
            received = sock.recv(READ_BYTES)
            is_done = bool(received) and channel.shake_hands(received)
            leaving = channel.leaving()
            if not received or sock.send(leaving) < len(leaving):
                self._end(handshake).close()
            elif is_done:
                TlsTransport(self._end(handshake), channel, handshake.peer, self._room, self._lingering.add).start(self._make())
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._refuse(self._end(handshake), channel, error)
        self._go_on()

    def _refuse(self, sock: socket.socket, channel: Channel, error: OSError) -> None:
        """A peer that ends the handshake is nobody's error; one whose handshake fails is sent OpenSSL's alert."""
        if not isinstance(error, ssl.SSLError):
            sock.close()
            return
        with suppress(OSError):
            sock.send(_PLAIN if error.reason == "HTTP_REQUEST" else channel.leaving())
        self._lingering.add(sock)

    def _end(self, handshake: _Handshake) -> socket.socket:
        sock, host = handshake.sock, str(handshake.peer[0])
        self._loop.remove_reader(sock.fileno())
        del self._handshakes[sock.fileno()]
        self._under_way[host] -= 1
        if not self._under_way[host]:
            del self._under_way[host]
        return sock
