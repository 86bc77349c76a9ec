"""Flows of a network namespace of the test's own."""

import contextlib
import errno
import os
import socket
import struct
import subprocess
from dataclasses import replace

import pytest

from pilothouse.linux import conntrack
from pilothouse.linux.conntrack import Flow
from pilothouse.linux.netlink import attribute, message
from tests.e2e.network.conftest import host, sh

__all__ = ["host"]


@pytest.fixture
def tracked(host: None) -> None:
    """Every flow is tracked: a rule asks for its state."""
    done = subprocess.run(
        ["nft", "-f", "-"],
        input="add table ip t\nadd chain ip t c { type filter hook output priority 0; }\nadd rule ip t c ct state new accept\n",
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("nftables does not track flows here")


def send(port: int, count: int = 1) -> list[socket.socket]:
    """Each from a port of its own, to a port where somebody listens."""
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for client in clients:
        client.sendto(b"?", ("127.0.0.1", port))
    return clients


def known(port: int, protocol: int = socket.IPPROTO_UDP) -> int:
    seen: list[Flow] = []
    conntrack.forget([port], lambda flow: bool(seen.append(flow)), protocol)
    return len([flow for flow in seen if flow.to == ("127.0.0.1", port)])


@pytest.mark.containers
def test_only_stale_flows_to_the_ports_are_forgotten(tracked: None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        first, second = one.getsockname()[1], two.getsockname()[1]
        clients = [*send(first, 150), *send(second)]
        assert (known(first), known(second)) == (150, 1)
        assert conntrack.forget([first], lambda flow: False) == 0
        assert conntrack.forget([], lambda flow: True) == 0
        assert conntrack.forget([first], lambda flow: flow.answers == ("127.0.0.1", first)) == 150
        assert (known(first), known(second)) == (0, 1)
        for client in clients:
            client.close()


@pytest.mark.containers
def test_the_kernel_shows_only_flows_to_the_ports_that_are_asked_for(tracked: None) -> None:
    """Otherwise a full table would be parsed here for each change of an endpoint."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        clients = [*send(one.getsockname()[1]), *send(two.getsockname()[1], 20)]
        seen: list[Flow] = []
        conntrack.forget([one.getsockname()[1]], lambda flow: bool(seen.append(flow)))
        assert [flow.to[1] for flow in seen] == [one.getsockname()[1]]
        many = [one.getsockname()[1], *range(1, conntrack.MOST_CHOSEN + 1)]
        assert conntrack.forget(many, lambda flow: flow.to[1] == one.getsockname()[1]) == 1
        for client in clients:
            client.close()


@pytest.mark.containers
def test_a_flow_that_has_ended_meanwhile_is_no_error_and_is_not_counted(tracked: None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        clients = send(port, 3)

        def stale(flow: Flow) -> bool:
            sh("true")
            conntrack.forget([port], lambda other: other == flow)
            return True

        assert conntrack.forget([port], stale) == 0
        for client in clients:
            client.close()


class FakeKernel:
    """Answers as the kernel's conntrack does: a dump of one flow, then an errno for each deletion."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked: list[bytes] = []

    def __enter__(self) -> "FakeKernel":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def settimeout(self, seconds: float) -> None:
        pass

    def send(self, data: bytes) -> None:
        self.asked.append(data)

    def recv(self, size: int) -> bytes:
        (sequence,) = struct.unpack_from("=I", self.asked[-1], 8)
        if len(self.asked) > 1:
            return message(2, 0, sequence, struct.pack("=i", -self.number))
        ends = attribute(1, socket.inet_aton("10.0.0.1")) + attribute(2, socket.inet_aton("10.0.0.2"))
        ports = attribute(1, b"\x11") + attribute(2, b"\0\x07") + attribute(3, b"\0\x35")
        there = attribute(1, ends) + attribute(2, ports)
        return message(0x100, 2, sequence, b"\x02\0\0\0" + attribute(1, there) + attribute(2, there)) + message(3, 2, sequence, b"\0" * 4)


@pytest.mark.parametrize(("number", "what"), [(1, "end a flow: Operation not permitted"), (105, "end a flow: No buffer space available")])
def test_a_refused_deletion_is_an_error(monkeypatch: pytest.MonkeyPatch, number: int, what: str) -> None:
    kernel = FakeKernel(number)
    monkeypatch.setattr(conntrack.socket, "socket", lambda *_: kernel)
    with pytest.raises(OSError, match=what) as error:
        conntrack.forget([53], lambda flow: True)
    assert error.value.errno == number
    assert os.strerror(number) in str(error.value)


@pytest.mark.containers
def test_only_flows_that_an_address_has_not_answered_are_forgotten(tracked: None) -> None:
    sh("nft", "add chain ip t in { type filter hook prerouting priority -300; }")
    sh("nft", "add rule ip t in ip daddr { 127.0.0.8, 127.0.0.9 } drop")
    with socket.create_server(("127.0.0.7", 0)) as server, contextlib.ExitStack() as stack:
        port = server.getsockname()[1]
        answered = stack.enter_context(socket.create_connection(("127.0.0.7", port)))
        for silent in ("127.0.0.8", "127.0.0.9"):
            client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            client.setblocking(False)
            assert client.connect_ex((silent, port)) == errno.EINPROGRESS
        assert conntrack.forget_unanswered([]) == 0
        assert conntrack.forget_unanswered(["127.0.0.7", "127.0.0.8"]) == 1
        assert conntrack.forget_unanswered(["127.0.0.8"]) == 0
        many = [f"127.0.1.{number}" for number in range(conntrack.MOST_CHOSEN)]
        assert conntrack.forget_unanswered(["127.0.0.7", "127.0.0.9", *many]) == 1
        answered.sendall(b"still there")


@pytest.mark.containers
def test_a_flow_that_is_answered_while_the_kernels_table_is_walked_goes_on(tracked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = conntrack._flows

    def answered_meanwhile(*asked: object) -> list[Flow]:
        return [replace(flow, answered=False) for flow in walk(*asked)]  # type: ignore[arg-type]

    with socket.create_server(("127.0.0.7", 0)) as server, socket.create_connection(server.getsockname()) as client:
        monkeypatch.setattr(conntrack, "_flows", answered_meanwhile)
        monkeypatch.setattr(conntrack, "_UNANSWERED", b"")
        assert conntrack.forget_unanswered(["127.0.0.7"]) == 0
        client.sendall(b"still there")
