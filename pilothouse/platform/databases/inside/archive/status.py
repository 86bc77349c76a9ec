"""What the archive tells the platform: GET /state, positions and times alone, nothing of the data."""

import json
import threading
from dataclasses import asdict
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pilothouse.platform.databases.inside.archive.keeper import Keeper


def serve(keeper: Keeper, port: int, host: str) -> None:
    server = ThreadingHTTPServer((host, port), partial(_Handler, keeper))
    threading.Thread(target=server.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    timeout = 5

    def __init__(self, keeper: Keeper, *rest: Any) -> None:
        self._keeper = keeper
        super().__init__(*rest)

    def do_GET(self) -> None:
        if self.path != "/state":
            self.send_error(404)
            return
        body = json.dumps(asdict(self._keeper.status)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads who asked."""
