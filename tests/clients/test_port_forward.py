"""Connections through kubectl port-forward, over both of its transports."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.objects import pod
from tests.clients.ports import WAIT_S, digest, echo, everything, greet, listening, send_all

LARGE = bytes(range(251)) * 20_000
"""5 MB."""


@pytest.fixture(params=["WebSocket", "SPDY"])
def calm(kubectl: Kubectl, request: pytest.FixtureRequest) -> Kubectl:
    """With a running pod `calm`, forwarding over one transport or the other."""
    kubectl.apply(pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    return kubectl.using(KUBECTL_PORT_FORWARD_WEBSOCKETS=str(request.param == "WebSocket").lower())


@contextmanager
def forwarded(kubectl: Kubectl, port: int) -> Iterator[Callable[[], socket.socket]]:
    """What it yields connects to the forwarded port."""
    with kubectl.running("port-forward", "pod/calm", f":{port}") as forward:
        assert forward.stdout is not None
        local = int(forward.stdout.readline().split(":")[1].split()[0])
        yield lambda: socket.create_connection(("127.0.0.1", local), timeout=WAIT_S)


def test_much_goes_both_ways_at_once(calm: Kubectl) -> None:
    with listening(echo) as port, forwarded(calm, port) as connect, connect() as connection:
        sending = threading.Thread(target=send_all, args=(connection, LARGE))
        sending.start()
        assert everything(connection) == LARGE
        sending.join(5)


def test_each_transport_is_the_one_that_kubectl_uses(calm: Kubectl) -> None:
    """Without a WebSocket kubectl falls back to SPDY and says so in its details alone."""
    with listening(greet) as port, calm.running("port-forward", "-v=7", "pod/calm", f":{port}") as forward:
        assert forward.stdout is not None
        assert forward.stderr is not None
        local = int(forward.stdout.readline().split(":")[1].split()[0])
        with socket.create_connection(("127.0.0.1", local), timeout=WAIT_S) as connection:
            assert everything(connection) == b"good day\n"
        forward.terminate()
        said = forward.stderr.read()
    assert "101 Switching Protocols" in said
    assert "fallback" not in said


def test_the_pod_learns_of_the_end_and_may_answer_after_it(calm: Kubectl) -> None:
    with listening(digest) as port, forwarded(calm, port) as connect, connect() as connection:
        send_all(connection, LARGE)
        assert everything(connection).decode() == hashlib.sha256(LARGE).hexdigest()


def test_a_server_that_speaks_first_and_hangs_up_is_heard_each_time(calm: Kubectl) -> None:
    with listening(greet) as port, forwarded(calm, port) as connect:
        for _ in range(5):
            with connect() as connection:
                assert everything(connection) == b"good day\n"


def test_connections_run_side_by_side(calm: Kubectl) -> None:
    def talk(number: int) -> bool:
        text = b"connection %d\n" % number * 1000
        with connect() as connection:
            send_all(connection, text)
            return everything(connection) == text

    with listening(echo) as port, forwarded(calm, port) as connect, ThreadPoolExecutor(20) as threads:
        assert all(threads.map(talk, range(40)))


def test_a_port_where_nothing_listens_is_said_by_kubectl(calm: Kubectl) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with calm.running("port-forward", "pod/calm", f":{port}") as forward:
        assert forward.stdout is not None
        assert forward.stderr is not None
        local = int(forward.stdout.readline().split(":")[1].split()[0])
        with socket.create_connection(("127.0.0.1", local), timeout=WAIT_S) as connection:
            assert everything(connection) == b""
        said = forward.stderr.readline()
    assert f"error forwarding port {port} to pod calm, uid " in said
    assert "Connect call failed" in said


def test_a_pod_that_is_not_there_is_said_by_kubectl(calm: Kubectl) -> None:
    assert 'pods "absent" not found' in calm.refused("port-forward", "pod/absent", ":80")
