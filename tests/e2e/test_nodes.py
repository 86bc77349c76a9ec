"""Several nodes, on one machine and joined from another: pods, traffic and sessions among them; nodes that go and come."""

import asyncio
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli.settings.home import Home
from pilothouse.engine.node.images.archive import busybox_archive, load_archive
from tests.e2e.instance import Instance, eventually, require_rights, started
from tests.e2e.machine import look
from tests.e2e.other_machine import OtherMachine, beside

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]
IMAGE = "docker.io/test/busybox:1"
WEB = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: web}}
spec:
  nodeName: NODE
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: "docker.io/test/busybox:1"
    command: ["sh", "-c", "mkdir /w; hostname > /w/index.html; echo started; exec httpd -f -v -p 8080 -h /w"]
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: moved}
spec:
  replicas: 3
  selector: {matchLabels: {app: moved}}
  template:
    metadata: {labels: {app: moved}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: c, image: "docker.io/test/busybox:1", command: ["sleep", "3600"]}
"""


APART = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: apart}
spec:
  replicas: 3
  selector: {matchLabels: {app: apart}}
  template:
    metadata: {labels: {app: apart}}
    spec:
      terminationGracePeriodSeconds: 1
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: apart}}}
      containers:
      - {name: c, image: "docker.io/test/busybox:1", command: ["sleep", "3600"]}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Instance]:
    """Two nodes on this machine, without the platform."""
    with started(6, "--no-platform", "--nodes", "2") as made:
        load_image(made.home)
        load_image(made.home / "nodes" / "2")
        made.kubectl("apply", "-f", "-", input=SERVICE)
        yield made
        require_rights(made)


def load_image(home: Path) -> None:
    archive = home / "busybox.tar"
    busybox_archive(archive, IMAGE)
    asyncio.run(load_archive(home / "node" / "containerd" / "containerd.sock", archive))


def nodes(cluster: Instance) -> dict[str, Any]:
    return {node["metadata"]["name"]: node for node in cluster.get("nodes")["items"]}


def names(cluster: Instance) -> list[str]:
    """The first node, and the further one."""
    return sorted(nodes(cluster), key=len)[:2]


def is_ready(cluster: Instance, name: str) -> bool:
    node = nodes(cluster).get(name)
    return node is not None and any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


def run_web(cluster: Instance, name: str, node: str) -> str:
    """The address of a pod that serves its name on port 8080."""
    cluster.kubectl("apply", "-f", "-", input=WEB.replace("NAME", name).replace("NODE", node))
    cluster.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    return str(cluster.get("pod", name)["status"]["podIP"])


def ask(cluster: Instance, pod: str, address: str, port: int) -> str:
    """What the server at the address says to the pod; "" when nobody answers."""
    request = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {port} | tail -1"
    return cluster.kubectl("exec", pod, "--", "sh", "-c", request, check=False).stdout.strip()


def callers(cluster: Instance, pod: str) -> set[str]:
    """The addresses that have asked a pod's server."""
    lines = cluster.kubectl("logs", pod).stdout.splitlines()
    return {line.removeprefix("[::ffff:").partition("]")[0] for line in lines if line.startswith("[::ffff:")}


def pod_nodes(cluster: Instance, selector: str) -> list[str]:
    pods = cluster.get("pods", "-l", selector)["items"]
    return [pod["spec"].get("nodeName", "") for pod in pods if "deletionTimestamp" not in pod["metadata"]]


@pytest.fixture
def web(cluster: Instance) -> Iterator[list[tuple[str, str]]]:
    """A pod on each node of this machine: name and address."""
    made = [(f"web-{number}", run_web(cluster, f"web-{number}", node)) for number, node in enumerate(names(cluster))]
    yield made
    cluster.kubectl("delete", "pod", *(name for name, _ in made), "--wait=true")


def test_each_node_has_a_range_of_its_own_and_the_addresses_of_its_pods_are_in_it(cluster: Instance, web: list[tuple[str, str]]) -> None:
    ranges = [IPv4Network(nodes(cluster)[name]["spec"]["podCIDR"]) for name in names(cluster)]
    assert not ranges[0].overlaps(ranges[1])
    assert [IPv4Network(address).subnet_of(range_) for (_, address), range_ in zip(web, ranges, strict=True)] == [True, True]


def test_pods_reach_each_other_across_nodes_and_through_services_under_their_own_addresses(
    cluster: Instance, web: list[tuple[str, str]]
) -> None:
    (first, first_address), (second, second_address) = web
    assert ask(cluster, first, second_address, 8080) == second
    assert ask(cluster, second, first_address, 8080) == first
    service = cluster.get("service", "web")["spec"]["clusterIP"]
    for pod in (first, second):
        assert {ask(cluster, pod, service, 80) for _ in range(12)} == {first, second}
    assert first_address in callers(cluster, second)
    assert second_address in callers(cluster, first)
    assert second_address not in callers(cluster, second)  # A pod that meets itself does so through its node.


def test_a_service_leads_back_to_the_pod_that_asks_by_another_node(cluster: Instance, web: list[tuple[str, str]]) -> None:
    """Also where bridges hand packets to the rules of IP."""
    switch = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    before = switch.read_text() if switch.exists() else ""
    cluster.kubectl("patch", "service", "web", "-p", '{"spec":{"type":"NodePort"}}')
    port = cluster.get("service", "web")["spec"]["ports"][0]["nodePort"]
    address = next(each["address"] for each in nodes(cluster)[names(cluster)[0]]["status"]["addresses"] if each["type"] == "InternalIP")
    try:
        for value in ("0", "1") if before else ():
            switch.write_text(value)
            assert {ask(cluster, "web-1", address, port) for _ in range(10)} == {"web-0", "web-1"}
    finally:
        if before:
            switch.write_text(before)


def test_a_pod_with_its_hosts_network_is_called_as_its_node_is(cluster: Instance) -> None:
    for node in names(cluster):
        pod = (
            WEB.replace("NAME", f"host-{node}").replace("NODE", node).replace("spec:", "spec:\n  hostNetwork: true").replace("8080", "8099")
        )
        cluster.kubectl("apply", "-f", "-", input=pod.replace("labels: {app: web}", "labels: {app: host}"))
        cluster.kubectl("wait", f"pod/host-{node}", "--for=condition=Ready", "--timeout=60s")
        assert cluster.kubectl("exec", f"host-{node}", "--", "hostname").stdout.strip() == node
    cluster.kubectl("delete", "pod", "-l", "app=host")


def test_names_are_resolved_on_every_node(cluster: Instance, web: list[tuple[str, str]]) -> None:
    service = cluster.get("service", "web")["spec"]["clusterIP"]
    for pod, _ in web:
        assert service in cluster.kubectl("exec", pod, "--", "nslookup", "web.default.svc.cluster.local").stdout


def test_exec_and_logs_reach_the_pods_of_every_node(cluster: Instance, web: list[tuple[str, str]]) -> None:
    for pod, _ in web:
        assert cluster.kubectl("exec", "-i", pod, "--", "cat", input="said").stdout == "said"
        assert "started" in cluster.kubectl("logs", pod).stdout
        refused = cluster.kubectl("exec", pod, "--", "false", check=False)
        assert refused.returncode == 1
        missing = cluster.kubectl("logs", pod, "--previous", check=False).stderr
        assert "BadRequest" in missing
        assert "previous terminated container" in missing


def test_pods_that_shun_each_other_go_to_different_nodes_and_one_too_many_waits(cluster: Instance) -> None:
    cluster.kubectl("apply", "-f", "-", input=APART)
    eventually(lambda: cluster.get("deployment", "apart")["status"].get("readyReplicas") == 2)
    assert sorted(pod_nodes(cluster, "app=apart")) == sorted(["", *names(cluster)])
    cluster.kubectl("delete", "deployment", "apart")


@pytest.mark.slow
def test_a_network_between_nodes_that_was_taken_away_comes_back(cluster: Instance, web: list[tuple[str, str]]) -> None:
    table = f"pilothouse-{Home(cluster.home).instance}-nodes"
    subprocess.run(["nft", "flush", "chain", "ip", table, "leave"], check=True)
    listed = partial(subprocess.run, ["nft", "list", "chain", "ip", table, "leave"], capture_output=True, text=True, check=True)
    eventually(lambda: "masquerade" in listed().stdout)
    routes = partial(subprocess.run, ["ip", "route", "show", "proto", "114"], capture_output=True, text=True, check=True)
    lost = next(line for line in routes().stdout.splitlines() if nodes(cluster)[names(cluster)[1]]["spec"]["podCIDR"] in line)
    subprocess.run(["ip", "route", "delete", *lost.split()], check=True)
    eventually(lambda: lost.split()[0] in routes().stdout)
    assert ask(cluster, "web-0", web[1][1], 8080) == "web-1"


def test_a_drained_node_gives_its_pods_away_and_gets_none_until_it_is_uncordoned(cluster: Instance) -> None:
    first, second = names(cluster)
    cluster.kubectl("apply", "-f", "-", input=DEPLOYMENT)
    cluster.kubectl("rollout", "status", "deployment/moved", "--timeout=60s")
    assert set(pod_nodes(cluster, "app=moved")) == {first, second}
    cluster.kubectl("drain", second, "--ignore-daemonsets", "--force", "--timeout=60s")
    cluster.kubectl("rollout", "status", "deployment/moved", "--timeout=60s")
    assert set(pod_nodes(cluster, "app=moved")) == {first}
    cluster.kubectl("uncordon", second)
    cluster.kubectl("rollout", "restart", "deployment/moved")
    cluster.kubectl("rollout", "status", "deployment/moved", "--timeout=60s")
    assert second in pod_nodes(cluster, "app=moved")
    cluster.kubectl("delete", "deployment", "moved")


@pytest.mark.slow
def test_no_request_is_lost_while_pods_of_another_node_are_replaced(cluster: Instance, web: list[tuple[str, str]]) -> None:
    """The clients are on the first node, and the pods that go on the second."""
    service = cluster.get("service", "web")["spec"]["clusterIP"]
    _, second = names(cluster)
    codes: list[int] = []
    stop = threading.Event()

    def ask_on() -> None:
        while not stop.is_set():
            codes.append(subprocess.run(["curl", "-s", "-o", "/dev/null", "-m", "5", f"http://{service}/"], check=False).returncode)

    clients = [threading.Thread(target=ask_on) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for number in range(3):
            run_web(cluster, f"extra-{number}", second)
            cluster.kubectl("delete", "pod", f"extra-{number}", "--wait=true")
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert len(codes) > 50
    assert set(codes) == {0}
    reports = cluster.get("leases", "-n", "kube-system", "-l", "endpoints.pilothouse.dev/report")["items"]
    assert {report["spec"]["holderIdentity"] for report in reports} == set(names(cluster))


def node_pid(cluster: Instance) -> int:
    return int((cluster.home / "nodes" / "2" / "run" / "node.pid").read_text().split()[0])


def test_a_further_nodes_process_that_is_killed_comes_back_to_its_pods(cluster: Instance, web: list[tuple[str, str]]) -> None:
    pod = cluster.get("pod", "web-1")
    killed, keeper = node_pid(cluster), cluster.home / "nodes" / "2" / "run" / "namespaces.pid"
    os.kill(int(keeper.read_text().split()[0]), signal.SIGKILL)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: node_pid(cluster) != killed)
    answer = partial(cluster.kubectl, "exec", "web-1", "--", "hostname", check=False)
    eventually(lambda: answer().stdout.strip() == "web-1")
    assert ask(cluster, "web-0", web[1][1], 8080) == "web-1"
    assert cluster.get("pod", "web-1")["status"]["containerStatuses"] == pod["status"]["containerStatuses"]


@pytest.mark.slow
def test_a_node_whose_object_is_deleted_registers_again_with_its_range(cluster: Instance) -> None:
    _, second = names(cluster)
    before = nodes(cluster)[second]
    cluster.kubectl("delete", "node", second)
    eventually(lambda: is_ready(cluster, second))
    after = nodes(cluster)[second]
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"]["podCIDR"] == before["spec"]["podCIDR"]
    address = run_web(cluster, "again", second)
    assert ask(cluster, "again", address, 8080) == "again"
    cluster.kubectl("delete", "pod", "again")


@pytest.mark.slow
def test_nodes_go_down_and_come_up_with_their_pods(cluster: Instance, web: list[tuple[str, str]]) -> None:
    ids = [cluster.get("pod", name)["status"]["containerStatuses"][0]["containerID"] for name, _ in web]
    cluster.ph("down")
    assert not (cluster.home / "nodes" / "2" / "run" / "node.pid").exists()
    cluster.up()
    assert [cluster.get("pod", name)["status"]["containerStatuses"][0]["containerID"] for name, _ in web] == ids
    assert ask(cluster, "web-0", web[1][1], 8080) == "web-1"


@pytest.mark.slow
def test_a_node_is_added_while_the_cluster_runs_and_removed_again(cluster: Instance) -> None:
    shown = cluster.up("--nodes", "3", check=False)
    assert shown.returncode == 0, shown.stderr
    third = f"{names(cluster)[0]}-3"
    assert is_ready(cluster, third)
    machine = look(cluster.home)
    home = cluster.home / "nodes" / "3"
    cluster.ph("--home", str(home), "destroy", "--yes")
    cluster.kubectl("delete", "node", third)
    assert not home.exists()
    assert not look(cluster.home).added_since(machine)
    eventually(lambda: nodes(cluster).keys() == set(names(cluster)))


@pytest.fixture
def machine(cluster: Instance) -> Iterator[OtherMachine]:
    with beside(cluster.home) as made:
        yield made


@pytest.mark.slow
def test_another_machine_joins_with_one_line_runs_pods_and_leaves(cluster: Instance, machine: OtherMachine) -> None:
    line = cluster.ph("token", "create", "--print-join-command").stdout.split()
    assert line[:2] == ["ph", "join"]
    machine.ph(*line[1:], "--node-name", "rack-1")
    load_image(machine.home)
    address = run_web(cluster, "far", "rack-1")
    near = run_web(cluster, "near", names(cluster)[1])
    assert IPv4Network(address).subnet_of(IPv4Network(nodes(cluster)["rack-1"]["spec"]["podCIDR"]))
    assert ask(cluster, "far", near, 8080) == "near"
    assert ask(cluster, "near", address, 8080) == "far"
    assert near in callers(cluster, "far")
    os.kill(int((machine.home / "run" / "node.pid").read_text().split()[0]), signal.SIGKILL)
    answer = partial(cluster.kubectl, "exec", "far", "--", "hostname", check=False)
    eventually(lambda: answer().stdout.strip() == "far")
    machine.ph("down")
    machine.ph("up")
    eventually(lambda: answer().stdout.strip() == "far")
    assert "rack-1" in machine.ph("status").stdout
    machine.ph("destroy", "--yes")
    assert (machine.tables(), [link for link in machine.links() if link.startswith("ph")]) == ("", [])
    cluster.kubectl("delete", "node", "rack-1")
    cluster.kubectl("delete", "pod", "near")
    eventually(lambda: "far" not in cluster.kubectl("get", "pods").stdout, deadline_s=90)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("sha256:" + "0" * 64, None), "this is another cluster"),
        ((None, "abcdef.0123456789abcdef"), "does not know the token abcdef"),
    ],
)
def test_who_answers_is_not_believed_without_the_right_hash_and_token(
    cluster: Instance, machine: OtherMachine, change: tuple[str | None, str | None], why: str
) -> None:
    _, _, server, _, token, _, hash_ = cluster.ph("token", "create", "--print-join-command").stdout.split()
    refused = machine.ph("join", server, "--token", change[1] or token, "--ca-cert-hash", change[0] or hash_, check=False)
    assert refused.returncode == 1
    assert why in refused.stderr
    assert not (machine.home / "settings.json").exists()


@pytest.mark.slow
def test_a_machine_under_a_name_that_is_taken_waits_until_somebody_decides(cluster: Instance, machine: OtherMachine) -> None:
    """Also when its process is killed meanwhile: `ph up` goes on with it, and makes no cluster of its own."""
    cluster.kubectl("create", "-f", "-", input="{apiVersion: v1, kind: Node, metadata: {name: rack-9}}")
    line = cluster.ph("token", "create", "--print-join-command").stdout.split()
    refused = machine.ph(*line[1:], "--node-name", "rack-9", check=False)
    assert refused.returncode == 1
    assert "The node goes on trying" in refused.stderr
    (name,) = set(re.findall(r"kubectl certificate approve (csr-[a-z0-9]+)", refused.stderr))
    machine.ph("down")
    held = machine.ph("up", check=False)
    assert name in held.stderr
    cluster.kubectl("certificate", "approve", name)
    eventually(lambda: is_ready(cluster, "rack-9"))
    assert not (machine.home / "store.db").exists()
    machine.ph("destroy", "--yes")
    cluster.kubectl("delete", "node", "rack-9")
