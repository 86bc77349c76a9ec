"""A pod that makes tunnel packets itself, which would come out at another node as those of any pod."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.model.pod_links import group_of
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.vxlan import guard
from tests.e2e.network.conftest import Namespace, sh

pytestmark = pytest.mark.containers
CONFIG = BackendConfig(instance="pht", node="own", cluster_cidrs=("10.1.0.0/16",), state=Path("/nowhere"))
SEND = "import socket,sys; socket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(b'x',('10.1.0.1',int(sys.argv[1])))"


def arrives(pod: Namespace, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("10.1.0.1", port))
        here.settimeout(0.5)
        pod.run("python3", "-S", "-c", SEND, str(port))
        try:
            return here.recv(9) == b"x"
        except TimeoutError:
            return False


def test_a_pod_sends_nothing_to_where_tunnels_end(host: None, namespace: Callable[[], Namespace]) -> None:
    pod = namespace()
    sh("ip", "link", "add", "pod0", "type", "veth", "peer", "name", "eth0", "netns", str(pod.process.pid))
    sh("ip", "link", "set", "pod0", "group", str(group_of("pht")), "up")
    sh("ip", "address", "add", "10.1.0.1/24", "dev", "pod0")
    pod.run("ip", "address", "add", "10.1.0.2/24", "dev", "eth0")
    pod.run("ip", "link", "set", "eth0", "up")
    assert arrives(pod, 8472)
    guard.ensure(CONFIG, (8472, 4789))
    assert (arrives(pod, 8472), arrives(pod, 4789), arrives(pod, 8473)) == (False, False, True)
    guard.remove(CONFIG)
    assert arrives(pod, 8472)
    assert sh("nft", "list", "tables") == ""
