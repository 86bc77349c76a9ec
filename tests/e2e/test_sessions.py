"""Sessions with pods of either node, and the proxies of pods, Services and nodes, as kubectl uses them and with least rights."""

import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import termios
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.instance import BIN, Instance, eventually, require_rights, started
from tests.e2e.test_nodes import IMAGE, SERVICE, load_image, names, run_web

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(280)]
NAMESPACE = "/api/v1/namespaces/default"
CALLER = "system:serviceaccount:default:caller"
WAIT_S = 30.0
CTRL_C = b"\x03"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Instance]:
    """Two nodes on this machine with a pod `web-0` and `web-1` on each, a Service in front, and an account without rights."""
    with started(9, "--no-platform", "--nodes", "2") as made:
        load_image(made.home)
        load_image(made.home / "nodes" / "2")
        made.kubectl("apply", "-f", "-", input=SERVICE)
        made.kubectl("create", "serviceaccount", "caller")
        for number, node in enumerate(names(made)):
            run_web(made, f"web-{number}", node)
        yield made
        require_rights(made, but=CALLER)


def may(cluster: Instance, name: str, *options: str) -> None:
    """Give the caller a role of its own in the namespace."""
    cluster.kubectl("create", "role", name, *options)
    cluster.kubectl("create", "rolebinding", name, f"--role={name}", "--serviceaccount=default:caller")


def raw(cluster: Instance, path: str, *options: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return cluster.kubectl(f"--as={CALLER}", "get", "--raw", path, *options, check=check)


def test_proxies_reach_the_pods_of_every_node(cluster: Instance) -> None:
    refused = raw(cluster, f"{NAMESPACE}/pods/web-0:8080/proxy/", check=False)
    assert 'cannot get resource "pods/proxy"' in refused.stderr
    may(cluster, "proxies", "--verb=get", "--resource=pods/proxy,services/proxy")
    for pod in ("web-0", "web-1"):
        assert raw(cluster, f"{NAMESPACE}/pods/{pod}:8080/proxy/").stdout.strip() == pod
    eventually(lambda: {raw(cluster, f"{NAMESPACE}/services/web:80/proxy/").stdout.strip() for _ in range(4)} == {"web-0", "web-1"}, WAIT_S)
    missing = raw(cluster, f"{NAMESPACE}/pods/web-1:8080/proxy/nosuch", check=False)
    assert "NotFound" in missing.stderr
    closed = raw(cluster, f"{NAMESPACE}/pods/web-1:9/proxy/", check=False)
    assert "error trying to reach service" in closed.stderr
    assert "connection refused" in closed.stderr


def test_kubectl_proxy_shows_pages_whose_links_lead_on(cluster: Instance) -> None:
    cluster.kubectl("exec", "web-1", "--", "sh", "-c", "echo '<a href=\"/index.html\">home</a>' > /w/page.html")
    path = f"{NAMESPACE}/pods/http:web-1:8080/proxy"
    environment = os.environ | {"KUBECONFIG": str(cluster.home / "admin.kubeconfig")}
    with subprocess.Popen([BIN / "kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, env=environment, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            url = "http://" + proxy.stdout.readline().rpartition(" ")[2].strip()
            page = urllib.request.urlopen(f"{url}{path}/page.html", timeout=WAIT_S).read().decode().strip()
            assert page == f'<a href="{path}/index.html">home</a>'
            with urllib.request.urlopen(f"{url}{path}/index.html", timeout=WAIT_S) as led:
                assert led.read().strip() == b"web-1"
        finally:
            proxy.terminate()


def test_a_node_is_asked_through_its_proxy(cluster: Instance) -> None:
    for pod, node in zip(("web-0", "web-1"), names(cluster), strict=True):
        path = f"/api/v1/nodes/{node}/proxy"
        assert "started" in cluster.kubectl("get", "--raw", f"{path}/containerLogs/default/{pod}/c").stdout
        refused = raw(cluster, f"{path}/containerLogs/default/{pod}/c", check=False)
        assert 'cannot get resource "nodes/proxy"' in refused.stderr


@pytest.mark.parametrize("pod", ["web-0", "web-1"])
@pytest.mark.parametrize("websockets", ["true", "false"])
def test_a_closed_port_is_said_and_an_open_one_served(cluster: Instance, pod: str, websockets: str) -> None:
    environment = os.environ | {"KUBECONFIG": str(cluster.home / "admin.kubeconfig"), "KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets}
    command = [BIN / "kubectl", "port-forward", f"pod/{pod}", ":8080", ":9"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True) as forward:
        try:
            assert forward.stdout is not None
            assert forward.stderr is not None
            found = _local_ports(iter(forward.stdout.readline, ""), 2)
            with urllib.request.urlopen(f"http://127.0.0.1:{found[8080]}/", timeout=WAIT_S) as answer:
                assert answer.read().decode().strip() == pod
            with socket.create_connection(("127.0.0.1", found[9]), timeout=WAIT_S) as connection:
                connection.sendall(b"hello")
                said = next(line for line in iter(forward.stderr.readline, "") if "error" in line.lower())
            assert "forwarding port 9 to pod" in said
            assert "refused" in said.lower()
        finally:
            forward.terminate()


def _local_ports(lines: Iterator[str], wanted: int) -> dict[int, int]:
    """From `Forwarding from 127.0.0.1:LOCAL -> REMOTE`: local ports by remote ones."""
    found: dict[int, int] = {}
    for line in lines:
        if line.startswith("Forwarding from 127.0.0.1:"):
            local, _, remote = line.removeprefix("Forwarding from 127.0.0.1:").partition(" -> ")
            found[int(remote)] = int(local)
        if len(found) == wanted:
            break
    return found


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_run_on_a_node_is_attached_to_and_tells_its_exit_code(cluster: Instance, number: int) -> None:
    where = json.dumps({"spec": {"nodeName": names(cluster)[number]}})
    options = ["-i", "--rm", "--restart=Never", "--image-pull-policy=Never", f"--image={IMAGE}", f"--overrides={where}"]
    ran = cluster.kubectl("run", f"once-{number}", *options, "--", "sh", "-c", "cat; exit 3", input="said\n", check=False)
    assert "said" in ran.stdout
    assert ran.returncode == 3, ran.stderr


@pytest.mark.parametrize("number", [0, 1])
def test_a_log_that_is_followed_ends_with_its_container(cluster: Instance, number: int) -> None:
    where = json.dumps({"spec": {"nodeName": names(cluster)[number]}})
    options = ["--restart=Never", "--image-pull-policy=Never", f"--image={IMAGE}", f"--overrides={where}"]
    cluster.kubectl("run", f"lines-{number}", *options, "--", "sh", "-c", "for n in 1 2 3; do echo $n; sleep 1; done")
    eventually(lambda: cluster.kubectl("logs", f"lines-{number}", check=False).returncode == 0, WAIT_S)
    assert cluster.kubectl("logs", "-f", f"lines-{number}").stdout == "1\n2\n3\n"
    cluster.kubectl("delete", "pod", f"lines-{number}")


class Terminal:
    """kubectl in a terminal of its own."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.said = b""

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def stated_size(self) -> str:
        """As the shell sees it, rows and columns."""
        self.type(b"stty size; echo st''ated\n")
        return self.until(b"\r\nstated").removesuffix(b"\r\nstated").splitlines()[-1].decode()

    def until(self, mark: bytes) -> bytes:
        """Read until it is said; what was said up to there, which is forgotten."""
        end = time.monotonic() + WAIT_S
        while mark not in self.said:
            assert time.monotonic() < end, self.said
            try:
                self.said += os.read(self._master, 65536)
            except BlockingIOError:
                time.sleep(0.02)
        before, _, self.said = self.said.partition(mark)
        return before + mark


@contextmanager
def terminal(cluster: Instance, *args: str) -> Iterator[tuple[Terminal, Callable[[], int]]]:
    """The terminal, and what waits for kubectl's exit code."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    environment = os.environ | {"KUBECONFIG": str(cluster.home / "admin.kubeconfig")}
    # Only whose terminal it is hears of its size.
    command = ["setsid", "--ctty", BIN / "kubectl", *args]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    try:
        yield Terminal(master), lambda: process.wait(WAIT_S)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(master)


@pytest.mark.parametrize("pod", ["web-0", "web-1"])
def test_a_terminal_has_its_size_its_interrupts_and_its_exit_code(cluster: Instance, pod: str) -> None:
    with terminal(cluster, "exec", "-it", pod, "--", "sh") as (tty, ended):
        tty.type(b"echo read''y\n")
        tty.until(b"ready")
        tty.size(33, 111)
        eventually(lambda: tty.stated_size() == "33 111", WAIT_S)
        tty.type(b"echo beg''un; sleep 1000\n")
        tty.until(b"begun")
        tty.type(CTRL_C)
        tty.type(b"echo code=$?.\n")
        tty.until(b"code=130.")
        tty.type(b"exit 5\n")
        assert ended() == 5
