"""What a check sends, byte for byte."""

import pytest

from pilothouse.engine.node.check.failure import CheckErrored
from pilothouse.engine.node.check.request import PROBE_AGENT, port_number, request_of, request_target
from pilothouse.model.json import Object

CONTAINER = {"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}


def sent(action: Object, ip: str = "10.0.0.1") -> list[str]:
    return request_of({"port": 80, **action}, CONTAINER, ip, PROBE_AGENT).encoded().decode().split("\r\n")


def with_headers(*headers: tuple[str, str]) -> list[str]:
    return sent({"httpHeaders": [{"name": name, "value": value} for name, value in headers]})


def test_a_request_as_it_goes_out() -> None:
    assert sent({"path": "/ok?x=1", "port": "web"}) == [
        "GET /ok?x=1 HTTP/1.1",
        "Host: 10.0.0.1:8080",
        "User-Agent: kube-probe/1.36",
        "Accept: */*",
        "Connection: close",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/"),
        ("x", "/x"),
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/a%20b c", "/a%20b%20c"),
        ("/grüße", "/gr%C3%BC%C3%9Fe"),
        ("/100%", "/100%25"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a?b=c d&e=ü", "/a?b=c%20d&e=%C3%BC"),
        ("/a?b=%20", "/a?b=%20"),
        ("/a#part", "/a"),
        ("http://elsewhere/x", "/x"),
        ("//elsewhere/x", "/x"),
        ("/a\r\nX: y", "/a%0D%0AX:%20y"),
    ],
)
def test_paths_are_escaped_where_they_have_to_be(path: str, target: str) -> None:
    assert request_target(path) == target


def test_several_headers_of_one_name_are_all_sent() -> None:
    found = with_headers(("X-A", "1"), ("x-a", "2"))
    assert [line for line in found if line.startswith("X-A")] == ["X-A: 1", "X-A: 2"]


def test_an_empty_accept_or_agent_takes_the_default_away() -> None:
    assert not [line for line in with_headers(("accept", ""), ("User-Agent", "")) if line.startswith(("Accept", "User-Agent"))]
    assert "Accept: text/html" in with_headers(("Accept", "text/html"))
    assert "User-Agent: me" in with_headers(("User-Agent", "me"))


def test_a_host_may_be_given_and_what_frames_the_request_may_not() -> None:
    found = with_headers(("host", "my.example"), ("Content-Length", "5"), ("transfer-encoding", "chunked"), ("Connection", "keep-alive"))
    assert found[1] == "Host: my.example"
    assert len([line for line in found if line]) == 5


@pytest.mark.parametrize("header", [("X-A", "1\r\nX-B: 2"), ("X A", "1"), ("Host", "a\nb"), ("User-Agent", "a\nb"), ("Accept", "a\0")])
def test_headers_that_would_be_several_are_refused(header: tuple[str, str]) -> None:
    with pytest.raises(CheckErrored, match="invalid header field"):
        with_headers(header)


def test_ports_are_found_by_name_or_number() -> None:
    assert [port_number(CONTAINER, port) for port in ("web", 81, "82")] == [8080, 81, 82]
    with pytest.raises(CheckErrored, match='couldn\'t find port: none in container "c"'):
        port_number(CONTAINER, "none")


def test_addresses_of_the_sixth_version_stand_in_brackets() -> None:
    assert request_of({"port": 80, "scheme": "HTTPS"}, CONTAINER, "fd00::1", PROBE_AGENT).url == "https://[fd00::1]:80/"


def test_a_pod_without_an_address_is_not_looked_for_on_the_node() -> None:
    with pytest.raises(CheckErrored, match="no address yet"):
        sent({}, ip="")
