"""Connections through kubectl port-forward, over both of its transports, and through the official client."""

import hashlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.stream import portforward

from tests.clients.kubectl import Kubectl
from tests.clients.objects import pod

WAIT_S = 10.0
LARGE = bytes(range(251)) * 20_000
"""5 MB."""


@pytest.fixture(params=["WebSocket", "SPDY"])
def calm(kubectl: Kubectl, request: pytest.FixtureRequest) -> Kubectl:
    """With a running pod `calm`, forwarding over one transport or the other."""
    kubectl.apply(pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    return kubectl.using(KUBECTL_PORT_FORWARD_WEBSOCKETS=str(request.param == "WebSocket").lower())


def everything(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def echo(connection: socket.socket) -> None:
    for data in iter(lambda: connection.recv(65536), b""):
        connection.sendall(data)


def digest(connection: socket.socket) -> None:
    """Speaks only once it has heard the end."""
    connection.sendall(hashlib.sha256(everything(connection)).hexdigest().encode())


def greet(connection: socket.socket) -> None:
    """Speaks first and hangs up."""
    connection.sendall(b"good day\n")


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of this machine: the played pod's."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server, ThreadPoolExecutor(40) as threads:

        def work(connection: socket.socket) -> None:
            with connection:
                connection.settimeout(WAIT_S)
                serve(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threads.submit(work, connection)

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(5)


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


def send_all(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


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


def test_a_stalled_connection_does_not_hold_up_the_others(calm: Kubectl) -> None:
    with listening(echo) as port, forwarded(calm, port) as connect, connect() as stalled:
        stalled.setblocking(False)
        while select.select([], [stalled], [], 0.3)[1]:
            stalled.send(LARGE)
        with connect() as connection:
            connection.sendall(b"hello")
            assert connection.recv(100) == b"hello"


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
    assert f"an error occurred forwarding {local} -> {port}: error forwarding port {port} to pod calm, uid " in said
    assert "Connection refused" in said


def test_a_pod_that_is_not_there_is_said_by_kubectl(calm: Kubectl) -> None:
    assert 'pods "absent" not found' in calm.refused("port-forward", "pod/absent", ":80")


@pytest.mark.usefixtures("leftovers_collected")
def test_the_official_client_forwards_over_its_own_websocket(kubectl: Kubectl) -> None:
    kubectl.apply(pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    load: Any = config.new_client_from_config  # untyped
    core: Any = client.CoreV1Api(load(str(kubectl.kubeconfig)))
    forward: Any = portforward
    with listening(echo) as port:
        forwarding = forward(core.connect_get_namespaced_pod_portforward, "calm", kubectl.namespace, ports=str(port))
        with forwarding.socket(port) as connection:
            connection.settimeout(WAIT_S)
            connection.sendall(b"hello")
            assert connection.recv(100) == b"hello"
        assert forwarding.error(port) is None
