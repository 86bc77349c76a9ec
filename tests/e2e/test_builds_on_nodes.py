"""Builds on whichever node they land, and pods of what they built on every node; nodes that go while they build."""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli.settings.home import Home
from tests.e2e.instance import Instance, eventually, fresh, require_rights
from tests.e2e.other_machine import beside

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(280)]
BUSYBOX = Path("/bin/busybox")
SERVES = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY index.html /srv/
EXPOSE 8000
CMD ["httpd", "-f", "-p", "8000", "-h", "/srv"]
"""
WAITS = SERVES + 'RUN ["sleep", "SECONDS"]\n'
POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  nodeName: NODE
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, image: "IMAGE", command: ["cat", "/srv/index.html"]}
  restartPolicy: Never
"""


@pytest.fixture(scope="module")
def cluster(instance: Instance) -> Iterator[Instance]:
    """Two nodes on this machine, with the platform; the base images are those that the run's instance has made."""
    builder_of(instance)
    with fresh(9) as made:
        shutil.copytree(instance.home / "registry", made.home / "registry")
        made.up("--nodes", "2")
        yield made
        require_rights(made)


def builder_of(instance: Instance) -> None:
    """Until the instance has made what builds run in."""
    ready = instance.home / "registry/storage/docker/registry/v2/repositories/bases/pilothouse.local/builder/_manifests/tags/2"
    eventually(ready.exists, deadline_s=200)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("sources") / "shop"
    tree.mkdir()
    shutil.copy(BUSYBOX, tree / "busybox")
    (tree / "index.html").write_text("built\n")
    (tree / "Dockerfile").write_text(SERVES)
    return tree


def names(cluster: Instance) -> tuple[str, str]:
    first, second = sorted((node["metadata"]["name"] for node in cluster.get("nodes")["items"]), key=len)
    return first, second


@pytest.fixture
def only_second(cluster: Instance) -> Iterator[None]:
    """The first node takes no new pods."""
    first, _ = names(cluster)
    cluster.kubectl("cordon", first)
    yield
    cluster.kubectl("uncordon", first)


def build_of(cluster: Instance, app: str) -> Any:
    """The newest Build of the app; None before there is one."""
    found = [each for each in cluster.get("builds")["items"] if each["metadata"]["name"].startswith(f"{app}-")]
    return max(found, key=lambda each: each["metadata"]["creationTimestamp"], default=None)


def build_pod(cluster: Instance, app: str) -> Any:
    pods = cluster.get("pods", "-l", "builds.pilothouse.dev/build")["items"]
    return next((pod for pod in pods if pod["metadata"]["name"].startswith(f"{app}-")), None)


def layers(home: Path) -> list[Path]:
    folder = home / "builder" / "storage" / "overlay"
    return list(folder.iterdir()) if folder.exists() else []


def test_an_app_that_was_built_on_another_node_runs_on_every_node(cluster: Instance, source: Path, only_second: None) -> None:
    first, second = names(cluster)
    cluster.ph("deploy", str(source), "--name", "shop", timeout=200)
    assert build_pod(cluster, "shop")["spec"]["nodeName"] == second
    assert layers(cluster.home / "nodes" / "2")
    assert not layers(cluster.home)
    assert cluster.fetch("shop.localhost") == (200, b"built\n")
    image = cluster.get("deployment", "shop")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert "@sha256:" in image
    for number, node in enumerate((first, second)):
        cluster.kubectl("apply", "-f", "-", input=POD.replace("NAME", f"on-{number}").replace("NODE", node).replace("IMAGE", image))
    for number in range(2):
        cluster.kubectl("wait", f"pod/on-{number}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
        assert cluster.kubectl("logs", f"on-{number}").stdout == "built\n"
    cluster.kubectl("delete", "pod", "on-0", "on-1")


class Deploy:
    """`ph deploy` of a source whose build takes a while, in a thread of its own."""

    def __init__(self, cluster: Instance, source: Path, folder: Path, name: str, seconds: int) -> None:
        self.tree = shutil.copytree(source, folder / name)
        (self.tree / "Dockerfile").write_text(WAITS.replace("SECONDS", str(seconds)))
        self.done: subprocess.CompletedProcess[str] | None = None
        self._thread = threading.Thread(target=self._run, args=(cluster, name))
        self._thread.start()
        eventually(lambda: self._is_building(cluster, name), deadline_s=90)

    def _run(self, cluster: Instance, name: str) -> None:
        self.done = cluster.ph("deploy", str(self.tree), "--name", name, "--timeout", "240", check=False, timeout=250)

    @staticmethod
    def _is_building(cluster: Instance, name: str) -> bool:
        pod = build_pod(cluster, name)
        return pod is not None and "sleep" in cluster.kubectl("logs", pod["metadata"]["name"], "-c", "build", check=False).stdout

    def wait(self) -> "subprocess.CompletedProcess[str]":
        self._thread.join()
        assert self.done is not None
        return self.done


def test_a_build_whose_node_is_drained_goes_on_elsewhere(cluster: Instance, source: Path, tmp_path: Path, only_second: None) -> None:
    first, second = names(cluster)
    deploy = Deploy(cluster, source, tmp_path, "drained", 15)
    try:
        cluster.kubectl("uncordon", first)
        cluster.kubectl("drain", second, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
        done = deploy.wait()
    finally:
        deploy.wait()
        cluster.kubectl("uncordon", second)
    assert done.returncode == 0, done.stderr
    assert f"its pod on node {second} was deleted while it ran: the build begins anew" in done.stderr
    assert build_of(cluster, "drained")["status"]["interruptions"] == 1
    assert cluster.fetch("drained.localhost") == (200, b"built\n")
    is_swept(cluster, cluster.home / "nodes" / "2")


@pytest.mark.timeout(450)  # A node is missed after 40 s, and waited for for 20 more.
def test_a_build_whose_node_loses_power_goes_on_elsewhere(cluster: Instance, source: Path, tmp_path: Path, only_second: None) -> None:
    first, second = names(cluster)
    deploy = Deploy(cluster, source, tmp_path, "unplugged", 15)
    try:
        cluster.kubectl("uncordon", first)
        unplug(cluster.home / "nodes" / "2")
        done = deploy.wait()
    finally:
        deploy.wait()
        cluster.up("--nodes", "2")
    assert done.returncode == 0, done.stderr
    assert f"node {second}, on which it ran, does not answer: the build begins anew" in done.stderr
    assert cluster.fetch("unplugged.localhost") == (200, b"built\n")
    cluster.kubectl("wait", f"node/{second}", "--for=condition=Ready", "--timeout=60s")
    is_swept(cluster, cluster.home / "nodes" / "2")
    cluster.kubectl("cordon", first)
    (deploy.tree / "index.html").write_text("again\n")
    (deploy.tree / "Dockerfile").write_text(SERVES)
    cluster.ph("deploy", str(deploy.tree), "--name", "unplugged", timeout=200)
    assert cluster.fetch("unplugged.localhost") == (200, b"again\n")


def unplug(home: Path) -> None:
    """Every process of the further node ends at once, its supervisor first."""
    instance = Home(home)
    keeper = int((home / "run" / "namespaces.pid").read_text().split()[0])
    namespace = os.readlink(f"/proc/{keeper}/ns/mnt")
    supervisors = [int(path.read_text().split()[0]) for path in (home / "run").glob("*supervis*.pid")]
    assert supervisors, list((home / "run").iterdir())
    for pid in supervisors:
        os.kill(pid, signal.SIGKILL)
    for _ in range(3):  # What one of them started meanwhile.
        for pid in pids_of(namespace, f"pilothouse-{instance.instance}"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def pids_of(namespace: str, cgroup: str) -> list[int]:
    """Processes in a mount namespace or in the cgroups below a name."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(folder / "ns" / "mnt") == namespace or cgroup in (folder / "cgroup").read_text():
                found.append(int(folder.name))
    return found


def is_swept(cluster: Instance, home: Path) -> None:
    """Nothing half-made is left in the builder's store of the node."""
    eventually(lambda: not working_containers(home), deadline_s=60)
    eventually(lambda: not cluster.get("pods", "-n", "pilothouse-system")["items"], deadline_s=60)


def working_containers(home: Path) -> list[Any]:
    found: list[Any] = []
    for name in ("containers.json", "volatile-containers.json"):
        with suppress(OSError):
            found += json.loads((home / "builder/storage/overlay-containers" / name).read_text() or "[]") or []
    return found


def test_another_machine_builds_in_its_own_home_and_takes_that_along(cluster: Instance, source: Path) -> None:
    line = cluster.ph("token", "create", "--print-join-command").stdout.split()
    at_home = names(cluster)
    with beside(cluster.home) as machine:
        machine.ph(*line[1:], "--node-name", "rack-1")
        cluster.kubectl("cordon", *at_home)
        try:
            cluster.ph("deploy", str(source), "--name", "far", timeout=250)
        finally:
            cluster.kubectl("uncordon", *at_home)
        assert build_pod(cluster, "far")["spec"]["nodeName"] == "rack-1"
        assert cluster.fetch("far.localhost") == (200, b"built\n")
        assert layers(machine.home)
        cluster.kubectl("drain", "rack-1", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
        machine.ph("destroy", "--yes")
        assert not machine.home.exists()
        cluster.kubectl("delete", "node", "rack-1")


def test_a_node_that_is_removed_takes_its_layers_along(cluster: Instance, source: Path) -> None:
    first, second = names(cluster)
    home = cluster.home / "nodes" / "2"
    assert layers(home)
    cluster.kubectl("drain", second, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
    cluster.ph("--home", str(home), "destroy", "--yes")
    cluster.kubectl("delete", "node", second)
    assert not home.exists()
    cluster.ph("deploy", str(source), "--name", "last", timeout=200)
    assert build_pod(cluster, "last")["spec"]["nodeName"] == first
    assert cluster.fetch("last.localhost") == (200, b"built\n")
