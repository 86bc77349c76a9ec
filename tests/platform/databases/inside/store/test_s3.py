"""The contract against a server that speaks S3, and what a service says when it will not."""

import socket
from collections.abc import Iterator

import pytest

from pilothouse.platform.databases.inside.store import s3_requests
from pilothouse.platform.databases.inside.store.s3 import PART, S3Place, S3Store
from pilothouse.platform.databases.inside.store.seam import StoreError
from tests.platform.databases.inside.servers import free_port
from tests.platform.databases.inside.store import service as services
from tests.platform.databases.inside.store.contract import StoreContract, get, names, put
from tests.platform.databases.inside.store.service import Service, failing


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with services.service() as running:
        yield running


@pytest.fixture
def store(service: Service, request: pytest.FixtureRequest) -> S3Store:
    return service.store(prefix=f"of/{abs(hash(request.node.name))}")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_requests, "WAITS_S", (0.01,))


@pytest.mark.slow
@pytest.mark.timeout(300)
class TestS3Store(StoreContract):
    pass


@pytest.mark.slow
def test_requests_are_signed_and_wrong_credentials_are_told() -> None:
    with services.service(checks=True) as strict:
        put(strict.store(), "a", bytes(PART + 1))
        assert len(get(strict.store(), "a")) == PART + 1
        for wrong in (strict.store(secret="wrong"), S3Store(S3Place(strict.endpoint, services.BUCKET), "nobody", "wrong")):
            with pytest.raises(StoreError) as told:
                names(wrong)
            assert told.value.reason == "StoreRefused"
            assert "backups" in told.value.message


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_told(service: Service) -> None:
    with pytest.raises(StoreError, match="does not exist: make it") as told:
        put(service.store("elsewhere"), "a", b"x")
    assert told.value.reason == "StoreRefused"


@pytest.mark.slow
def test_a_service_that_is_full_in_the_middle_keeps_nothing_half_made(service: Service) -> None:
    def full(method: str, path: str) -> tuple[int, str] | None:
        return (507, "") if "partNumber=2" in path else None

    with failing(full, service.endpoint) as small:
        store = small.store(prefix="full")
        writer = store.write("a")
        with pytest.raises(StoreError) as told:
            writer.write(bytes(3 * PART))
        assert told.value.reason == "StoreFull"
        writer.abort()
        assert names(store) == []


@pytest.mark.slow
def test_what_passes_is_tried_again(service: Service) -> None:
    told = iter([(503, "SlowDown"), None, (500, "InternalError")])
    with failing(lambda method, path: next(told, None), service.endpoint) as busy:
        store = busy.store(prefix="busy")
        put(store, "a", b"x")
        put(store, "b", b"y")
        assert names(store) == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "code", "reason", "said"),
    [
        (403, "RequestTimeTooSkewed", "StoreRefused", "set this node's clock"),
        (403, "InvalidAccessKeyId", "StoreRefused", "InvalidAccessKeyId"),
        (404, "NoSuchBucket", "StoreRefused", "does not exist: make it"),
        (400, "QuotaExceeded", "StoreFull", "give it more room"),
        (507, "", "StoreFull", "give it more room"),
        (503, "SlowDown", "StoreUnreachable", "SlowDown"),
        (400, "InvalidRequest", "StoreFailed", "InvalidRequest"),
    ],
)
def test_what_a_service_refuses_is_told_with_a_way_out(status: int, code: str, reason: str, said: str) -> None:
    with failing(lambda method, path: (status, code)) as refusing, pytest.raises(StoreError, match=said) as told:
        put(refusing.store(), "a", b"x")
    assert told.value.reason == reason


def test_a_service_that_is_away_is_told() -> None:
    with pytest.raises(StoreError) as told:
        put(S3Store(S3Place(f"http://127.0.0.1:{free_port()}", "backups"), "access", "secret"), "a", b"x")
    assert told.value.reason == "StoreUnreachable"


def test_a_service_that_does_not_answer_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_requests, "TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(StoreError) as told:
        put(S3Store(S3Place(f"http://127.0.0.1:{silent.getsockname()[1]}", "backups"), "access", "secret"), "a", b"x")
    assert told.value.reason == "StoreUnreachable"


@pytest.mark.parametrize("endpoint", ["s3.example.com", "ftp://s3.example.com", ""])
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(StoreError, match="is no URL"):
        S3Store(S3Place(endpoint, "backups"), "access", "secret")
