"""What nodes may ask of the registry, however it is put."""

import pytest

from pilothouse.platform.registry.asked import Refused, Requests, refusal

PUSH = "/v2/apps/default/shop/manifests/1"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v2/"),
        ("HEAD", "/v2/bases/docker.io/library/python/manifests/3"),
        ("GET", "/v2/sources/default/shop/blobs/sha256:1"),
        ("POST", "/v2/apps/default/shop/blobs/uploads/?mount=sha256%3A1&from=bases%2Fdocker.io%2Flibrary%2Fpython"),
        ("PATCH", "/v2/apps/default/shop/blobs/uploads/8d0c-1?_state=a%2Fb=="),
        ("PUT", PUSH),
        ("PUT", "/v2/mine/tool/manifests/1.0_b"),
    ],
)
def test_a_node_reads_everything_and_pushes_what_it_has_built(method: str, target: str) -> None:
    assert refusal(method, target) == ""


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("DELETE", PUSH),
        ("CONNECT", "127.0.0.1:22"),
        ("OPTIONS", PUSH),
        ("PUT", "/v2/bases/pilothouse.local/builder/manifests/2"),
        ("POST", "/v2/sources/default/shop/blobs/uploads/"),
        ("PUT", "/v2/%62ases/pilothouse.local/builder/manifests/2"),
        ("PUT", "/v2/apps/../bases/pilothouse.local/builder/manifests/2"),
        ("PUT", "/v2/./bases/x/manifests/2"),
        ("PUT", "/v2//bases/x/manifests/2"),
        ("PUT", "//v2/bases/x/manifests/2"),
        ("PUT", "http://127.0.0.1/v2/bases/x/manifests/2"),
        ("PUT", "/v2/apps/x;/bases/manifests/2"),
    ],
)
def test_a_node_deletes_nothing_and_writes_nothing_that_other_nodes_run(method: str, target: str) -> None:
    assert refusal(method, target)


def head(method: str, target: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: r", *headers, "", ""]).encode()


HIDDEN = head("DELETE", PUSH)


@pytest.mark.parametrize(
    "sent",
    [
        [head("GET", "/v2/") + HIDDEN],
        [head("PUT", PUSH, "Content-Length: 2") + b"{}" + HIDDEN],
        [head("PATCH", PUSH, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n" + HIDDEN],
        [HIDDEN[:3], HIDDEN[3:30], HIDDEN[30:]],
        [head("PUT", PUSH, "Content-Length: 2", "Transfer-Encoding: chunked")],
        [head("PUT", PUSH, "Content-Length: 2", "Content-Length: 3")],
        [head("GET", "/v2/", "Connection: Upgrade", "Upgrade: x") + HIDDEN],
        [head("GET", "/v2/" + "a" * 20_000)],
        [b"\x16\x03\x01nonsense"],
    ],
)
def test_no_request_hides_behind_another(sent: list[bytes]) -> None:
    requests = Requests()

    def feed() -> None:
        for data in sent:
            requests.feed(data)

    with pytest.raises(Refused):
        feed()


def test_the_bytes_of_an_image_are_no_requests() -> None:
    requests = Requests()
    requests.feed(head("PATCH", PUSH, f"Content-Length: {2 * len(HIDDEN)}") + HIDDEN)
    requests.feed(HIDDEN)
    requests.feed(head("GET", "/v2/"))
    with pytest.raises(Refused, match="nodes may not DELETE"):
        requests.feed(HIDDEN)
