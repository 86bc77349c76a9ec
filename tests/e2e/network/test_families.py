"""Instances whose pods and Services have addresses of both IP families, or of IPv6 alone: `ph up` as people use it."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli.cluster.networks import require_families
from pilothouse.cli.settings.home import Home, SettingsError
from pilothouse.model.networks import of as networks_of
from tests.e2e.free import first_number
from tests.e2e.instance import Instance, eventually, require_rights, started
from tests.e2e.other_machine import other_machine
from tests.e2e.test_nodes import IMAGE, load_image, names

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]
NODE_PORT = 30688
POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec:
  nodeName: NODE
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: "docker.io/test/busybox:1"
    command: ["sh", "-c", "mkdir /w; echo hello from web > /w/index.html; echo started; exec httpd -f -p 8080 -h /w"]
    env: [{name: OWN, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}]
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30688}]}
"""
ANSWER, REQUEST = "hello from web", "GET / HTTP/1.0\\r\\n\\r\\n"


def networks(number: int, *families: str) -> list[str]:
    """Options of `ph up` for instances of that number."""
    n = first_number() + number
    pods = {"IPv4": f"10.{100 + n}.0.0/16", "IPv6": f"fd00:10:{100 + n}::/56"}
    services = {"IPv4": f"10.{200 + n}.0.0/16", "IPv6": f"fd00:10:{200 + n}::/112"}
    chosen = ((option, ",".join(found[family] for family in families)) for option, found in (("pod", pods), ("service", services)))
    return [word for option, cidrs in chosen for word in (f"--{option}-cidr", cidrs)]


def require_ipv6() -> None:
    try:
        require_families(("IPv6",))
    except SettingsError as error:
        pytest.skip(str(error))


def run_pods(cluster: Instance, **nodes: str) -> None:
    """Pods by name, each on its node."""
    for name, node in nodes.items():
        cluster.kubectl("apply", "-f", "-", input=POD.replace("NAME", name).replace("NODE", node))
    for name in nodes:
        cluster.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")


def ask(cluster: Instance, pod: str, host: str, port: int) -> str:
    """What the server at a name or an address says to the pod; "" when nobody answers."""
    request = f"printf '{REQUEST}' | nc -w 3 {host} {port} | tail -1"
    return cluster.kubectl("exec", pod, "--", "sh", "-c", request, check=False).stdout.strip()


def is_answered(cluster: Instance, address: str) -> bool:
    return ask(cluster, "client", address, 80) == ANSWER


def versions(addresses: list[str]) -> list[int]:
    return [ip_address(each).version for each in addresses]


def pod_addresses(cluster: Instance, name: str) -> list[str]:
    return [each["ip"] for each in cluster.get("pod", name)["status"]["podIPs"]]


def node_addresses(cluster: Instance) -> list[str]:
    """Of all nodes."""
    every: list[Any] = cluster.get("nodes")["items"]
    return [each["address"] for node in every for each in node["status"]["addresses"] if each["type"] == "InternalIP"]


def check_pods(cluster: Instance, expected: list[int]) -> None:
    """web and client have an address of each family, know it, and reach each other by it."""
    for name in ("web", "client"):
        addresses = pod_addresses(cluster, name)
        assert versions(addresses) == expected
        assert cluster.kubectl("exec", name, "--", "sh", "-c", "echo $OWN").stdout.strip() == ",".join(addresses)
        hosts = cluster.kubectl("exec", name, "--", "cat", "/etc/hosts").stdout
        assert all(f"{address}\t{name}" in hosts for address in addresses)
    for address in pod_addresses(cluster, "web"):
        assert " 0% packet loss" in cluster.kubectl("exec", "client", "--", "ping", "-c", "2", "-W", "3", address).stdout
        assert ask(cluster, "client", address, 8080) == ANSWER


def check_service(cluster: Instance, expected: list[int]) -> None:
    """By its addresses, its name, and from outside by its port of every node."""
    service = cluster.get("service", "web")["spec"]
    assert versions(service["clusterIPs"]) == expected
    for address in service["clusterIPs"]:
        eventually(partial(is_answered, cluster, address), 10)
    assert ask(cluster, "client", "web", 80) == ANSWER
    found = cluster.kubectl("exec", "client", "--", "nslookup", "web.default.svc.cluster.local").stdout
    assert all(f"Address: {address}" in found for address in service["clusterIPs"])
    for address in node_addresses(cluster):
        assert fetch(address, NODE_PORT) == ANSWER


def fetch(address: str, port: int) -> str:
    url = f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"
    done = subprocess.run(["curl", "--silent", "--noproxy", "*", "--max-time", "5", url], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def check_api(cluster: Instance) -> None:
    """Pods reach the API server by its Service."""
    reach = "nc -w 3 $KUBERNETES_SERVICE_HOST 443 < /dev/null"
    assert cluster.kubectl("exec", "client", "--", "sh", "-c", reach, check=False).returncode == 0


@pytest.fixture(scope="module")
def both() -> Iterator[Instance]:
    require_ipv6()
    with started(2, "--no-platform", *networks(2, "IPv4", "IPv6"), images=[IMAGE]) as made:
        made.kubectl("apply", "-f", "-", input=SERVICE)
        run_pods(made, web=names(made)[0], client=names(made)[0])
        yield made
        require_rights(made)


def test_an_app_is_reached_over_both_families_also_after_a_restart(both: Instance) -> None:
    check_pods(both, [4, 6])
    check_service(both, [4, 6])
    check_api(both)
    assert [each["addressType"] for each in both.get("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]].count("IPv6") == 1
    before = pod_addresses(both, "web")
    both.ph("down")
    both.up(*networks(2, "IPv4", "IPv6"))
    assert pod_addresses(both, "web") == before
    check_service(both, [4, 6])


def test_the_families_of_an_instance_do_not_change(both: Instance) -> None:
    both.ph("down")
    n = first_number() + 2
    refused = both.ph("up", "--pod-cidr", f"10.{100 + n}.0.0/16", check=False)
    assert "which cannot change: use another --home" in refused.stderr
    both.up(*networks(2, "IPv4", "IPv6"))


@pytest.mark.slow
def test_pods_of_two_nodes_reach_each_other_over_both_families() -> None:
    require_ipv6()
    with started(0, "--no-platform", "--nodes", "2", *networks(0, "IPv4", "IPv6")) as cluster:
        for home in (cluster.home, cluster.home / "nodes" / "2"):
            load_image(Path(home))
        cluster.kubectl("apply", "-f", "-", input=SERVICE)
        first, second = names(cluster)
        run_pods(cluster, web=second, client=first)
        assert sorted(versions(node_addresses(cluster))) == [4, 4, 6, 6]
        check_pods(cluster, [4, 6])
        check_service(cluster, [4, 6])


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2])
def test_an_instance_of_ipv6_alone_serves_an_app(nodes: int) -> None:
    require_ipv6()
    with started(0, "--no-platform", "--nodes", str(nodes), *networks(0, "IPv6")) as cluster:
        homes = [cluster.home, *(cluster.home / "nodes" / str(number) for number in range(2, nodes + 1))]
        for home in homes:
            load_image(home)
        cluster.kubectl("apply", "-f", "-", input=SERVICE)
        run_pods(cluster, web=names(cluster)[-1], client=names(cluster)[0])
        check_pods(cluster, [6])
        check_service(cluster, [6])
        check_api(cluster)


@pytest.mark.slow
@pytest.mark.parametrize("families", [("IPv6",), ("IPv6", "IPv4")], ids=["alone", "first"])
def test_a_machine_joins_over_ipv6(families: tuple[str, ...]) -> None:
    require_ipv6()
    # The paths of containerd's sockets have to be short.
    with (
        tempfile.TemporaryDirectory(prefix="pht-other-", ignore_cleanup_errors=True) as place,
        started(0, "--no-platform", "--nodes", "2", *networks(0, *families)) as cluster,
    ):
        between = networks_of(json.loads((cluster.home / "settings.json").read_text())["nodes_cidr"])
        bridge, own = f"phn-{Home(cluster.home).instance}", [f"{network[99]}/{network.prefixlen}" for network in between]
        with other_machine(Path(place), bridge, f"{own[0]} nodad", str(between[0][1])) as machine:
            for address in own[1:]:
                subprocess.run(["nsenter", "-t", str(machine.pid), "-n", "ip", "address", "add", address, "dev", "eth0"], check=True)
            line = cluster.ph("token", "create", "--print-join-command").stdout.split()
            assert line[2].startswith("[fd00:")
            stated = ["--node-ip", ",".join(each.partition("/")[0] for each in own)] if len(own) > 1 else []
            try:
                machine.ph(*line[1:], "--node-name", "rack-1", *stated)
                load_image(machine.home)
                load_image(cluster.home)
                cluster.kubectl("apply", "-f", "-", input=SERVICE)
                run_pods(cluster, web="rack-1", client=names(cluster)[0])
                expected = [int(network.version) for network in between]
                check_pods(cluster, expected)
                check_service(cluster, expected)
                assert "started" in cluster.kubectl("logs", "web").stdout
            finally:
                machine.ph("destroy", "--yes", check=False)
