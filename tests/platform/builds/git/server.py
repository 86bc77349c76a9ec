"""A Git server on loopback: the real `git http-backend` behind Python's HTTP server, with a password when one is set."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class Repository:
    """A bare repository in a folder with a work tree beside it."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.tree = folder / "shop.git", folder / "shop"
        self.git("init", "--quiet", "--bare", "--initial-branch", "main", str(self.bare))
        self.git("clone", "--quiet", str(self.bare), str(self.tree))
        self.inside("checkout", "--quiet", "-B", "main")

    def git(self, *arguments: str) -> str:
        identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@x", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@x"}
        done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True, env={**os.environ, **identity})
        return done.stdout.strip()

    def inside(self, *arguments: str) -> str:
        return self.git("-C", str(self.tree), *arguments)

    def commit(self, files: dict[str, str], branch: str = "main") -> str:
        """Push files as one commit; returns it."""
        self.inside("checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.inside("add", "--all")
        self.inside("commit", "--quiet", "--allow-empty", "--message", "x")
        self.inside("push", "--quiet", "origin", branch)
        return self.inside("rev-parse", "HEAD")


@contextmanager
def served(root: Path, password: str = "", host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The URL under which the repositories of a folder are. password: of the user `git`."""
    wanted = "Basic " + base64.b64encode(f"git:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            if password and self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.end_headers()
                return
            parts = urlsplit(self.path)
            variables = {
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "PATH": os.environ["PATH"],
                "REMOTE_ADDR": "127.0.0.1",
            }
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            head, _, content = subprocess.run(
                ["git", "http-backend"], input=body, capture_output=True, env=variables, check=False
            ).stdout.partition(b"\r\n\r\n")
            lines = [line.decode().partition(": ") for line in head.split(b"\r\n") if line]
            status = next((int(value.split()[0]) for name, _, value in lines if name == "Status"), 200)
            self.send_response(status)
            for name, _, value in lines:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer

        def log_message(self, *arguments: object) -> None:
            return

    server = ThreadingHTTPServer((host, port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
