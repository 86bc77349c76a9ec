"""HTTP/1.1 over TLS, a thread for each connection, at most so many of them."""

import socket
import ssl
import threading
from http.server import ThreadingHTTPServer
from socketserver import BaseRequestHandler

from pilothouse.platform.databases.inside.agent.https.tls import Tls

MOST_CONNECTIONS = 64
HANDSHAKE_S = 5.0


class Server(ThreadingHTTPServer):
    """Takes connections at once and does their handshakes in their threads, so that a slow client delays nobody."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseRequestHandler], tls: Tls) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._tls = tls
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: object, client_address: object) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)  # type: ignore[arg-type]
        else:
            self.shutdown_request(request)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        try:
            secured = self._secured(request)
            if secured is None:
                self.shutdown_request(request)
            else:
                super().process_request_thread(secured, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""

    def _secured(self, request: socket.socket) -> ssl.SSLSocket | None:
        request.settimeout(HANDSHAKE_S)
        try:
            return self._tls.context().wrap_socket(request, server_side=True)
        except OSError:
            return None
