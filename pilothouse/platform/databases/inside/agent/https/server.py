"""HTTP/1.1 over TLS, a thread for each connection, as many of them as there is room for."""

import socket
import ssl
from http.server import ThreadingHTTPServer
from socketserver import BaseRequestHandler

from pilothouse.platform.databases.inside.agent.https.room import Room
from pilothouse.platform.databases.inside.agent.https.tls import Tls, name_of

PROBED_AFTER_S, DEAD_AFTER_S = 5, 15
"""A connection on which nothing comes is probed by the kernel each so many seconds, and has died without an answer for so long: a client
that went away without a word keeps no place."""
HANDSHAKE_S = 5.0


class Server(ThreadingHTTPServer):
    """Takes connections at once and does their handshakes in their threads, so that a slow client delays nobody."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseRequestHandler], tls: Tls) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._tls = tls
        self._room = Room()
        super().__init__(address, handler)

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        assert isinstance(client_address, tuple)
        self._room.enter(request, client_address[0])
        super().process_request(request, client_address)

    def process_request_thread(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        secured = self._secured(request)
        try:
            if secured is None:
                self.shutdown_request(request)
            elif not self._shakes_hands(secured) or (name_of(secured) and not self._room.recognize(secured)):
                self.shutdown_request(secured)
            else:
                super().process_request_thread(secured, client_address)
        finally:
            self._room.leave(secured or request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""

    def _secured(self, request: socket.socket) -> ssl.SSLSocket | None:
        """The connection as it is from now on: the socket before is no longer one."""
        request.settimeout(HANDSHAKE_S)
        request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBED_AFTER_S)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBED_AFTER_S)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_S * 1000)
        try:
            secured = self._tls.context().wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        except OSError:
            return None
        self._room.replace(request, secured)
        return secured

    def _shakes_hands(self, secured: ssl.SSLSocket) -> bool:
        try:
            secured.do_handshake()
        except OSError:
            return False
        return True
