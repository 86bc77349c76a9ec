"""A release of a chart on an instance, as a person works with it: what is looked at, broken and waited for."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import Any

from tests.e2e.charts.helm import Helm
from tests.e2e.instance import Instance, eventually


@dataclass(frozen=True)
class Release:
    """name: of the release; its objects bear the label `app.kubernetes.io/instance`."""

    instance: Instance
    helm: Helm
    name: str

    @property
    def namespace(self) -> str:
        return self.helm.namespace

    @property
    def registry(self) -> str:
        """Where the images of the charts are."""
        return f"127.0.0.1:{self.instance.registry_port}"

    def kubectl(self, *args: str, check: bool = True, input: str | None = None) -> str:
        return self.instance.kubectl("-n", self.namespace, *args, check=check, input=input).stdout.strip()

    def sh(self, pod: str, script: str, *, container: str = "", check: bool = True) -> str:
        """What a shell in the pod prints."""
        chosen = ["-c", container] if container else []
        return self.kubectl("exec", pod, *chosen, "--", "sh", "-ec", script, check=check)

    def get(self, *args: str) -> Any:
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def pods(self, component: str = "") -> list[Any]:
        """Those that neither have ended nor are being deleted."""
        selector = f"app.kubernetes.io/instance={self.name}" + (f",app.kubernetes.io/component={component}" if component else "")
        found: list[Any] = self.get("pods", "-l", selector)["items"]
        ended = ("Succeeded", "Failed")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") not in ended]

    def ready(self, component: str = "") -> int:
        return sum(is_ready(pod) for pod in self.pods(component))

    def is_ready(self, count: int, component: str = "", deadline_s: float = 90) -> None:
        """Waits until that many pods are ready, and no other is there."""

        def holds() -> bool:
            return [is_ready(pod) for pod in self.pods(component)] == [True] * count

        eventually(holds, deadline_s, 0.3)

    def identity(self, pod: str) -> str:
        found: str = self.get("pod", pod)["metadata"]["uid"]
        return found

    def kill(self, pod: str) -> None:
        """Kills the first process of the pod's first container from outside, and waits until it runs again and is ready."""

        def status() -> Any:
            return self.get("pod", pod)["status"]["containerStatuses"][0]

        before = status()
        socket = self.instance.home / "node" / "containerd" / "containerd.sock"
        id = before["containerID"].removeprefix("containerd://")
        ctr = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", id]
        subprocess.run(ctr, check=True, timeout=30)

        def runs_again() -> bool:
            now = status()
            return bool(now["restartCount"] > before["restartCount"] and now["ready"])

        eventually(runs_again, 90, 0.3)

    def replace(self, pod: str) -> None:
        """Deletes the pod and waits until another one of its name is ready."""
        before = self.identity(pod)
        self.kubectl("delete", "pod", pod, "--wait=false")

        def is_another() -> bool:
            found = [each for each in self.pods() if each["metadata"]["name"] == pod]
            return bool(found) and found[0]["metadata"]["uid"] != before and is_ready(found[0])

        eventually(is_another, 90, 0.3)

    def claims(self) -> list[str]:
        return sorted(each["metadata"]["name"] for each in self.get("pvc")["items"])

    def is_gone(self, *kept: str) -> None:
        """Waits until nothing is left but claims and what the chart keeps: helm does not wait for what its objects own."""

        def nothing_else_is_left() -> bool:
            return set(self._left()) <= set(kept)

        eventually(nothing_else_is_left, 60, 0.3)

    def _left(self) -> list[str]:
        kinds = "pods,services,statefulsets,deployments,daemonsets,replicasets,jobs,cronjobs,configmaps,secrets,serviceaccounts,roles,"
        kinds += "rolebindings,poddisruptionbudgets,horizontalpodautoscalers,ingresses"
        return self.kubectl("get", kinds, "-l", f"app.kubernetes.io/instance={self.name}", "-o", "name").split()


def is_ready(pod: Any) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", ()))


def restart_node(instance: Instance) -> None:
    """Kills the node agent, and waits until another one works."""

    def agent() -> int:
        return int((instance.home / "run" / "node.pid").read_text().split()[0])

    before = agent()
    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        return agent() != before and "Ready" in instance.kubectl("get", "nodes", "--no-headers", check=False).stdout.split()

    eventually(is_back, 60, 0.3)


def down_and_up(instance: Instance) -> None:
    instance.ph("down")
    instance.ph("up")
