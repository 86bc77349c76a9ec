"""The contract against a server that speaks S3: PyPI's moto (`moto[server,s3]`), which checks signatures when told to.

It is not among the locked packages, since it brings 100 more: PILOTHOUSE_MOTO_SERVER names its `moto_server`.
"""

import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from pilothouse.platform.databases.inside.store import s3_requests
from pilothouse.platform.databases.inside.store.s3 import S3Place, S3Store
from pilothouse.platform.databases.inside.store.s3_requests import S3Requests
from pilothouse.platform.databases.inside.store.seam import StoreError
from tests.platform.databases.inside.servers import free_port
from tests.platform.databases.inside.store.contract import StoreContract, names, put

SERVER = os.environ.get("PILOTHOUSE_MOTO_SERVER", "")


@dataclass(frozen=True)
class Service:
    endpoint: str
    access: str
    secret: str

    def store(self, bucket: str = "backups", prefix: str = "", secret: str = "") -> S3Store:
        return S3Store(S3Place(self.endpoint, bucket, prefix), self.access, secret or self.secret)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    if not SERVER:
        pytest.skip("no S3 server here: PILOTHOUSE_MOTO_SERVER names none")
    port = free_port()
    # The first requests are let in without a check: one makes the bucket, and three an account that the checks know.
    environ = {"PATH": os.environ["PATH"], "INITIAL_NO_AUTH_ACTION_COUNT": "4"}
    with subprocess.Popen([SERVER, "-H", "127.0.0.1", "-p", str(port)], env=environ, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield _with_account(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()


def _with_account(endpoint: str) -> Service:
    S3Requests(S3Place(endpoint, "backups"), "first", "first").ask("PUT", "", {})
    _iam(endpoint, "CreateUser", UserName="store")
    _iam(endpoint, "PutUserPolicy", UserName="store", PolicyName="all", PolicyDocument=_ALL)
    answer = _iam(endpoint, "CreateAccessKey", UserName="store")
    access, secret = (re.findall(f"<{name}>(.*?)</{name}>", answer)[0] for name in ("AccessKeyId", "SecretAccessKey"))
    return Service(endpoint, access, secret)


_ALL = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'


def _iam(endpoint: str, action: str, **more: str) -> str:
    body = urlencode({"Action": action, "Version": "2010-05-08"} | more).encode()
    account = {"Authorization": "AWS4-HMAC-SHA256 Credential=first/20261130/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"}
    with urllib.request.urlopen(urllib.request.Request(endpoint, body, account), timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture
def store(service: Service, request: pytest.FixtureRequest) -> S3Store:
    return service.store(prefix=f"of/{abs(hash(request.node.name))}")


class TestS3Store(StoreContract):
    pass


def test_wrong_credentials_are_told(service: Service) -> None:
    for wrong in (service.store(secret="wrong"), S3Store(S3Place(service.endpoint, "backups"), "nobody", "wrong")):
        with pytest.raises(StoreError) as told:
            names(wrong)
        assert told.value.reason == "StoreRefused"
        assert "backups" in told.value.message


def test_a_bucket_that_is_not_there_is_told(service: Service) -> None:
    with pytest.raises(StoreError) as told:
        put(service.store("elsewhere"), "a", b"x")
    assert told.value.reason == "StoreRefused"


def test_a_service_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_requests, "WAITS_S", (0.01,))
    with pytest.raises(StoreError) as told:
        put(S3Store(S3Place(f"http://127.0.0.1:{free_port()}", "backups"), "access", "secret"), "a", b"x")
    assert told.value.reason == "StoreUnreachable"


@pytest.mark.parametrize("endpoint", ["s3.example.com", "ftp://s3.example.com", ""])
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(StoreError, match="is no URL"):
        S3Store(S3Place(endpoint, "backups"), "access", "secret")


def _wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
