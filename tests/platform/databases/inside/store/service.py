"""A server that speaks S3: PyPI's moto, from the environment of its own that scripts/test-all makes; and faults in front of it."""

import functools
import http.client
import os
import re
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode, urlsplit

import pytest

from pilothouse.platform.databases.inside.store.s3 import S3Place, S3Store
from pilothouse.platform.databases.inside.store.s3_requests import S3Requests
from tests.platform.databases.inside.servers import free_port

SERVER = os.environ.get("PILOTHOUSE_MOTO_SERVER", "")
BUCKET = "backups"
START_S = 120.0
_ALL = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'


@dataclass(frozen=True)
class Service:
    endpoint: str
    access: str = "access"
    secret: str = "secret"

    def store(self, bucket: str = BUCKET, prefix: str = "", secret: str = "") -> S3Store:
        return S3Store(S3Place(self.endpoint, bucket, prefix), self.access, secret or self.secret)


@contextmanager
def service(*, checks: bool = False) -> Iterator[Service]:
    """With one bucket. checks: signatures, which moto does for requests without a `/` in their query alone."""
    if not SERVER:
        pytest.skip("no S3 server here: scripts/test-all brings one")
    port = free_port()
    # With checks the first requests are let in without: one makes the bucket, and three an account that the checks know.
    environ = {"PATH": os.environ["PATH"]} | ({"INITIAL_NO_AUTH_ACTION_COUNT": "4"} if checks else {})
    with subprocess.Popen([SERVER, "-H", "127.0.0.1", "-p", str(port)], env=environ, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            found = Service(f"http://127.0.0.1:{port}")
            S3Requests(S3Place(found.endpoint, BUCKET), "first", "first").ask("PUT", "", {})
            yield _with_account(found.endpoint) if checks else found
        finally:
            server.terminate()


def _with_account(endpoint: str) -> Service:
    _iam(endpoint, "CreateUser", UserName="store")
    _iam(endpoint, "PutUserPolicy", UserName="store", PolicyName="all", PolicyDocument=_ALL)
    answer = _iam(endpoint, "CreateAccessKey", UserName="store")
    access, secret = (re.findall(f"<{name}>(.*?)</{name}>", answer)[0] for name in ("AccessKeyId", "SecretAccessKey"))
    return Service(endpoint, access, secret)


def _iam(endpoint: str, action: str, **more: str) -> str:
    body = urlencode({"Action": action, "Version": "2010-05-08"} | more).encode()
    account = {"Authorization": "AWS4-HMAC-SHA256 Credential=first/20261130/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"}
    with urllib.request.urlopen(urllib.request.Request(endpoint, body, account), timeout=10) as answer:
        return str(answer.read().decode())


def _wait_for(port: int) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)


Fault = Callable[[str, str], tuple[int, str] | None]
"""Of a request's method and path: the status and the error's code that it gets, None for the service's own answer."""


@contextmanager
def failing(fault: Fault, behind: str = "") -> Iterator[Service]:
    """behind: the endpoint of a service that answers the rest."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Failing, fault, urlsplit(behind).netloc))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Service(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Failing(BaseHTTPRequestHandler):
    def __init__(self, fault: Fault, behind: str, *rest: object) -> None:
        self._fault, self._behind = fault, behind
        super().__init__(*rest)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        return

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = self._fault(self.command, self.path)
        if found is not None:
            status, code = found
            headers, data = {}, f"<Error><Code>{code}</Code><Message>said the service</Message></Error>".encode()
        else:
            status, headers, data = self._pass_on(body)
        self.send_response(status)
        for name in ("ETag",):
            if name in headers:
                self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = _answer

    def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._behind, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()
