import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.node import LOG
from tests.clients.objects import deployment, pod


@pytest.fixture
def calm(kubectl: Kubectl) -> Kubectl:
    """With a running pod `calm`."""
    kubectl.apply(pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    return kubectl


@pytest.fixture(params=["WebSocket", "SPDY"])
def running(calm: Kubectl, request: pytest.FixtureRequest) -> Kubectl:
    """The same, with one transport or the other for processes."""
    return calm.using(KUBECTL_REMOTE_COMMAND_WEBSOCKETS=str(request.param == "WebSocket").lower())


def test_logs_are_what_the_container_printed(calm: Kubectl) -> None:
    assert calm("logs", "calm") == LOG.decode()
    assert calm("logs", "calm", "--tail=1") == "third line\n"
    assert calm("logs", "-f", "calm", "-c", "main").endswith("third line\n")
    assert calm("logs", "calm", "--timestamps").splitlines()[0] == "2026-01-01T00:00:00.000000000Z first line"


def test_logs_of_a_deployment_and_of_a_selector(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"))
    kubectl("rollout", "status", "deployment/web", "--timeout=15s")
    assert kubectl("logs", "deployment/web").endswith(LOG.decode())
    assert all(line.startswith("[pod/web-") for line in kubectl("logs", "-l", "app=web", "--prefix").splitlines())


def test_logs_of_an_unknown_container_are_refused(calm: Kubectl) -> None:
    assert "container other is not valid for pod calm" in calm.refused("logs", "calm", "-c", "other")


def test_exec_returns_output_error_and_exit_code(running: Kubectl) -> None:
    done = running.attempt("exec", "calm", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.returncode) == ("out\n", 7)
    assert "err\n" in done.stderr


def test_each_transport_is_the_one_that_kubectl_uses(running: Kubectl) -> None:
    """Without a WebSocket kubectl falls back to SPDY and says so in its details alone."""
    done = running.attempt("exec", "-v=7", "calm", "--", "sh", "-c", "echo out")
    assert (done.stdout, done.returncode) == ("out\n", 0)
    assert "101 Switching Protocols" in done.stderr
    assert "fallback" not in done.stderr


def test_exec_carries_standard_input_to_its_end(running: Kubectl) -> None:
    text = "a line of some length\n" * 10_000
    assert running("exec", "-i", "calm", "--", "cat", stdin=text) == text


def test_exec_of_a_program_that_is_not_there_fails(running: Kubectl) -> None:
    assert "executable file not found" in running.refused("exec", "calm", "--", "no-such-program")


def test_attach_talks_to_the_main_process(running: Kubectl) -> None:
    assert "hello" in running("attach", "-i", "calm", stdin="hello\n")


def test_cp_takes_a_file_there_and_back(running: Kubectl, tmp_path: Path) -> None:
    sent, inside, back = tmp_path / "sent", tmp_path / "inside", tmp_path / "back"
    sent.write_bytes(bytes(range(256)) * 1000)
    running("cp", str(sent), f"calm:{inside}")
    running("cp", f"calm:{inside}", str(back))
    assert back.read_bytes() == sent.read_bytes()


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A port of this machine that answers each line in capitals: the played pod's."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(connection.recv(4096).upper())

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_port_forward_carries_connections(calm: Kubectl, echo_port: int) -> None:
    with calm.running("port-forward", "pod/calm", f":{echo_port}") as forward:
        assert forward.stdout is not None
        said = forward.stdout.readline()
        local = int(said.split(":")[1].split()[0])
        for text in (b"first", b"second"):
            with socket.create_connection(("127.0.0.1", local), timeout=5) as connection:
                connection.sendall(text)
                assert connection.recv(4096) == text.upper()
