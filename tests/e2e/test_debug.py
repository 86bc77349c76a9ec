"""An instance as its administrator sees it: kubectl debug, static pods, and the end of all pods before the node stops."""

import json
import os
import signal
from typing import Any

import pytest

from tests.e2e.instance import Instance, eventually
from tests.e2e.test_processes import pid

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]

BUSYBOX = "docker.io/test/busybox:1"
SLEEPER = "trap 'exit 0' TERM; sleep 1000 & wait"


def manifest(name: str, image: str, script: str = SLEEPER) -> dict[str, Any]:
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}


def node_of(instance: Instance) -> str:
    (node,) = instance.get("nodes")["items"]
    return str(node["metadata"]["name"])


def pod(instance: Instance, name: str) -> dict[str, Any]:
    done = instance.kubectl("get", "pod", name, "-o", "json", check=False)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def is_ready(found: dict[str, Any]) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


def test_kubectl_debug_looks_into_a_pod_from_beside_it_and_from_a_copy(alone: Instance) -> None:
    alone.kubectl("apply", "-f", "-", input=json.dumps(manifest("web", BUSYBOX, "echo hi > /tmp/x; exec sleep 4321")))
    eventually(lambda: is_ready(pod(alone, "web")))
    debug = ("debug", "web", f"--image={BUSYBOX}", "--target=main")
    for profile in ("general", "baseline", "netadmin", "sysadmin"):
        script = "ps; grep CapEff /proc/self/status"
        alone.kubectl(*debug, "-c", profile, f"--profile={profile}", "--", "sh", "-c", script)
        said = eventually(lambda profile=profile: alone.kubectl("logs", "web", "-c", profile, check=False).stdout)
        assert "sleep 4321" in said
    alone.kubectl(*debug, "-c", "stays", "--profile=sysadmin", "--", "sleep", "1000")
    eventually(lambda: alone.kubectl("exec", "web", "-c", "stays", "--", "cat", "/proc/1/root/tmp/x", check=False).stdout == "hi\n")
    assert is_ready(pod(alone, "web"))
    alone.kubectl("debug", "web", "--copy-to=copy", "--share-processes", f"--image={BUSYBOX}", "-c", "side", "--", "sleep", "1000")
    eventually(lambda: is_ready(pod(alone, "copy")))
    assert "sleep 4321" in alone.kubectl("exec", "copy", "-c", "side", "--", "ps").stdout
    made = alone.kubectl("debug", f"node/{node_of(alone)}", f"--image={BUSYBOX}", "--", "ls", "/host").stdout
    name = next(word for word in made.split() if word.startswith("node-debugger-"))
    assert "etc" in eventually(lambda: alone.kubectl("logs", name, check=False).stdout).split()
    alone.kubectl("delete", "pod", "copy", name, "--now")


def test_a_killed_agent_takes_over_what_looks_into_pods(alone: Instance) -> None:
    before = {each["name"]: each["containerID"] for each in pod(alone, "web")["status"]["ephemeralContainerStatuses"]}
    first = pid(alone, "node")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: alone.ph("status", check=False).returncode == 0 and pid(alone, "node") != first)
    found = pod(alone, "web")["status"]["ephemeralContainerStatuses"]
    assert {each["name"]: each["containerID"] for each in found} == before
    assert alone.kubectl("exec", "web", "-c", "stays", "--", "echo", "still").stdout == "still\n"


@pytest.mark.slow
def test_static_pods_run_from_their_folder(alone: Instance) -> None:
    folder, name = alone.home / "node" / "manifests", f"static-{node_of(alone)}"
    (folder / "static.json").write_text(json.dumps(manifest("static", BUSYBOX, f"echo one; {SLEEPER}")))
    eventually(lambda: is_ready(pod(alone, name)))
    assert alone.kubectl("logs", name).stdout == "one\n"
    assert alone.kubectl("exec", name, "--", "echo", "inside").stdout == "inside\n"
    assert "Started" in alone.kubectl("describe", "pod", name).stdout
    id = pod(alone, name)["status"]["containerStatuses"][0]["containerID"]
    alone.kubectl("delete", "pod", name)
    eventually(lambda: is_ready(pod(alone, name)))
    assert pod(alone, name)["status"]["containerStatuses"][0]["containerID"] == id
    first = pid(alone, "node")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: pid(alone, "node") != first and is_ready(pod(alone, name)))
    assert pod(alone, name)["status"]["containerStatuses"][0]["containerID"] == id
    (folder / "broken.yaml").write_text("kind: [")
    eventually(lambda: f"{folder / 'broken.yaml'}: it is neither YAML nor JSON" in alone.ph("status", check=False).stdout)
    assert alone.ph("status", check=False).returncode == 1
    (folder / "broken.yaml").unlink()
    (folder / "static.json").write_text(json.dumps(manifest("static", BUSYBOX, f"echo two; {SLEEPER}")))
    eventually(lambda: alone.kubectl("logs", name, check=False).stdout == "two\n")
    eventually(lambda: alone.ph("status", check=False).returncode == 0)


@pytest.mark.slow
def test_a_drained_node_has_ended_its_pods_and_static_ones_come_again(alone: Instance) -> None:
    name = f"static-{node_of(alone)}"
    labels, template = {"app": "web"}, manifest("d", BUSYBOX)["spec"]
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": template}}
    wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    alone.kubectl("apply", "-f", "-", input=json.dumps(wanted))
    alone.kubectl("rollout", "status", "deployment/d", "--timeout=60s")
    alone.ph("down", "--drain", "--grace", "20s")
    assert not [each for each in alone.home.glob("node/pods/*/containers") if (each.parent / "volumes").exists()]
    alone.up("--no-platform")
    ended = pod(alone, "web")["status"]
    assert (ended["phase"], ended["reason"]) == ("Failed", "Terminated")
    eventually(lambda: is_ready(pod(alone, name)))
    alone.kubectl("rollout", "status", "deployment/d", "--timeout=60s")
    (alone.home / "node" / "manifests" / "static.json").unlink()
    eventually(lambda: not pod(alone, name))
