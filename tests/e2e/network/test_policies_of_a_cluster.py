"""Network policies of a whole instance: what their authors see of them, and a table of truth that packets fill."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse.engine.node.images.archive import busybox_archive, load_archive
from tests.e2e.instance import Instance, eventually, started

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]
IMAGE = "docker.io/test/busybox:1"
SPACES, PODS, PORTS = ("x", "y", "z"), ("a", "b", "c"), (80, 81)


def pod(name: str, namespace: str, node: str = "") -> dict[str, Any]:
    serve = " ".join(f"httpd -p {port} -h /;" for port in PORTS)
    ports = [{"name": f"p{port}", "containerPort": port} for port in PORTS]
    container = {"name": "c", "image": IMAGE, "command": ["sh", "-c", f"{serve} exec sleep 3600"], "ports": ports}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container], **({"nodeName": node} if node else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"pod": name}}, "spec": spec}


def space(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"ns": name}}}


def policy(name: str, namespace: str, rehearsed: bool = False, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "annotations": {"network.pilothouse.dev/rehearse": "true" if rehearsed else "false"}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}, **spec}}


def apply(instance: Instance, *objects: dict[str, Any]) -> None:
    instance.kubectl("apply", "-f", "-", input=listed(*objects))


def listed(*objects: dict[str, Any]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def running(instance: Instance, *namespaces: str) -> None:
    for name in namespaces:
        instance.kubectl("wait", "--for=condition=Ready", "pod", "--all", "-n", name, "--timeout=60s")


def reaches(instance: Instance, source: str, target: str, port: int) -> bool:
    namespace, _, name = source.partition("/")
    address = instance.get("pod", "-n", target.partition("/")[0], target.partition("/")[2])["status"]["podIP"]
    done = instance.kubectl("exec", "-n", namespace, name, "--", "sh", "-c", f"nc -w 1 {address} {port} </dev/null", check=False)
    return done.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_author_of_a_policy_sees_what_it_drops_and_tries_it_with_cases(alone: Instance, tmp_path: Path) -> None:
    apply(alone, space("x"), space("y"), pod("a", "x"), pod("a", "y"))
    running(alone, "x", "y")
    eventually(lambda: alone.kubectl("get", "cnp", check=False).returncode == 0)
    apply(alone, policy("deny", "x", ingress=[{"from": [{"podSelector": {}}]}]), policy("try", "y", True, policyTypes=["Egress"]))
    eventually(lambda: not reaches(alone, "y/a", "x/a", 80))
    began = time.monotonic()
    assert not reaches(alone, "y/a", "x/a", 80)
    eventually(lambda: [line for line in described(alone, "x", "deny") if "to x/a (tcp 80) from y/a" in line])
    assert time.monotonic() - began < 5
    assert eventually(lambda: [line for line in described(alone, "y", "try") if "would have dropped" in line])
    assert "network policy x/deny (ingress)" in alone.ph("why", "pod/a", "-n", "x").stdout
    cases = [{"from": "y/a", "to": "x/a", "port": port, "expected": "denied"} for port in (80, 9)]
    cases += [{"from": "x/a", "to": "y/a", "port": "p81", "expected": "allowed"}]
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({"cases": cases}))
    assert alone.ph("policy", "test", "--live", str(tmp_path / "suite.yaml")).stdout.splitlines()[-1] == "3 cases, 0 failed"
    alone.kubectl("delete", "namespace", "x", "y", "--wait=false")


def described(instance: Instance, namespace: str, name: str) -> list[str]:
    return instance.kubectl("describe", "networkpolicy", "-n", namespace, name).stdout.splitlines()


POLICIES = {
    "nothing": [],
    "x allows nothing in": [policy("p", "x", ingress=[])],
    "x/a takes what comes from y on 80": [
        policy(
            "p",
            "x",
            podSelector={"matchLabels": {"pod": "a"}},
            ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}], "ports": [{"port": 80}]}],
        )
    ],
    "z sends to b alone": [
        policy("p", "z", policyTypes=["Egress"], egress=[{"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"pod": "b"}}}]}])
    ],
    "Admin denies x to z, Baseline y to x": [
        {
            "apiVersion": "policy.networking.k8s.io/v1alpha2",
            "kind": "ClusterNetworkPolicy",
            "metadata": {"name": name},
            "spec": {
                "tier": tier,
                "priority": 1,
                "subject": {"namespaces": {"matchLabels": {"ns": to}}},
                "ingress": [{"action": "Deny", "from": [{"namespaces": {"matchLabels": {"ns": of}}}]}],
            },
        }
        for name, tier, of, to in (("admin", "Admin", "x", "z"), ("base", "Baseline", "y", "x"))
    ],
}


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("backend", ["routes", "vxlan"])
def test_a_table_of_truth_on_two_nodes(tmp_path: Path, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nine pods on two nodes, each to each on two ports, for each set of policies; what packets do, the judge says, too."""
    with started(8, "--no-platform", "--nodes", "2") as instance:
        load(instance)
        instance.ph("network", "set", "--backend", backend)
        nodes = sorted(node["metadata"]["name"] for node in instance.get("nodes")["items"])
        pods = [pod(name, of, nodes[number % 2]) for of in SPACES for number, name in enumerate(PODS)]
        apply(instance, *map(space, SPACES), *pods)
        running(instance, *SPACES)
        for title, policies in POLICIES.items():
            if policies:
                apply(instance, *policies)
            keys = [f"{of}/{name}" for of in SPACES for name in PODS]
            cases = [{"from": a, "to": b, "port": port, "expected": "allowed"} for a in keys for b in keys if a != b for port in PORTS]
            (tmp_path / "suite.yaml").write_text(yaml.safe_dump({"cases": cases}))
            time.sleep(1)
            done = instance.ph("policy", "test", "--live", "-o", "json", str(tmp_path / "suite.yaml"), check=False)
            found = json.loads(done.stdout)
            with capsys.disabled():
                show(f"{backend}: {title}", keys, found)
            assert not [each for each in found if each.get("skipped") or each.get("rulesSay")]
            refused = {(each["from"][0], each["to"][0]) for each in found if each["found"] == "denied"}
            assert bool(refused) == bool(policies)
            if policies:
                instance.kubectl("delete", "-f", "-", input=listed(*policies))


def show(title: str, keys: list[str], found: list[dict[str, Any]]) -> None:
    """A row for each source, a column for each target: `.` both ports, `1` the first alone, `2` the second, `X` none."""
    sys.stdout.write(f"\n{title}\n{'':6}{' '.join(f'{key:>4}' for key in keys)}\n")
    passed = {(each["from"], each["to"], int(each["port"])): each["found"] == "allowed" for each in found}
    for source in keys:
        row = [mark(*(passed.get((source, target, port), True) for port in PORTS)) if source != target else "#" for target in keys]
        sys.stdout.write(f"{source:6}{' '.join(f'{each:>4}' for each in row)}\n")


def mark(first: bool, second: bool) -> str:
    return {(True, True): ".", (True, False): "1", (False, True): "2", (False, False): "X"}[first, second]


def load(instance: Instance) -> None:
    """The image into every node's runtime."""
    archive = instance.home / "busybox.tar"
    busybox_archive(archive, IMAGE)
    for home in (instance.home, *(instance.home / "nodes").glob("[0-9]*")):
        asyncio.run(load_archive(home / "node" / "containerd" / "containerd.sock", archive))
