import asyncio
import json
import re
from pathlib import Path

import pytest

from pilothouse.cli.cluster import webhooks
from pilothouse.cli.cluster.status import is_over
from pilothouse.client.transport import Call
from pilothouse.model.json import Object
from tests.cli.answers import answering, saying
from tests.cli.running import node, running
from tests.cli.test_ending import ph
from tests.client.fake_cluster import FakeTransport

APPS = "/apis/apps.pilothouse.dev/v1/apps"


def pod(name: str, phase: str, owner: str = "ReplicaSet") -> Object:
    owners = [{"kind": owner, "name": "x", "uid": "u", "controller": True}]
    return {"metadata": {"name": name, "namespace": "default", "ownerReferences": owners}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("phase", "owner", "over"),
    [
        ("Running", "ReplicaSet", False),
        ("Pending", "Build", False),
        ("Succeeded", "Build", True),
        ("Failed", "Build", True),
        ("Failed", "Job", True),
        ("Failed", "ReplicaSet", True),
    ],
)
def test_pods_that_have_done_their_work_are_over(phase: str, owner: str, over: bool) -> None:
    assert is_over(pod("x", phase, owner)) == over


@pytest.mark.parametrize(("reason", "over"), [("", False), ("Evicted", False), ("Terminated", True), ("NodeShutdown", True)])
def test_a_pod_of_nobody_that_has_failed_is_missed_unless_it_ended_with_its_node(reason: str, over: bool) -> None:
    assert is_over({"metadata": {"name": "x"}, "status": {"phase": "Failed", "reason": reason}}) == over


async def test_the_status_of_another_cluster_says_nothing_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}")
    async with answering(tmp_path, apps=[]) as server:
        transport = FakeTransport(server.cluster)
        for each in (pod("web", "Running"), pod("built", "Succeeded", "Build")):
            await transport.call(Call("POST", "/api/v1/namespaces/default/pods", body=each))
        server.overrides |= {"/version": saying({"gitVersion": "v1.36.2"}), APPS: saying({"items": []})}
        config = str(tmp_path / "admin.kubeconfig")
        done = await asyncio.to_thread(ph, "--home", str(tmp_path / "other"), "--kubeconfig", config, "status", "-o", "json")
    assert json.loads(done.stdout) == {
        "api": f"http://127.0.0.1:{server.port}",
        "kubeconfig": config,
        "version": "v1.36.2",
        "nodes": {},
        "pressure": {},
        "cordoned": [],
        "simulated": {"ready": 0, "all": 0},
        "pods": {"running": 1, "all": 1},
        "apps": {"ready": 0, "all": 0},
    }


@pytest.mark.parametrize(
    ("nodes", "failing", "code", "said"),
    [
        ([node("a")], {}, 0, ""),
        ([node("a")], {"audit log": "no space"}, 1, "not everything works: 1 thing named as failing"),
        ([node("a"), node("b", ready=False)], {}, 1, "not everything works: node b is not ready"),
        ([node("a", pressure="DiskPressure")], {}, 1, "not everything works: node a is under DiskPressure"),
    ],
)
async def test_the_exit_code_says_whether_everything_works(
    tmp_path: Path, nodes: list[Object], failing: dict[str, str], code: int, said: str
) -> None:
    async with running(tmp_path, *nodes, failing=failing):
        for how in ("table", "json"):
            done = await asyncio.to_thread(ph, "--home", str(tmp_path), "status", "-o", how)
            assert (done.returncode, said in done.stderr) == (code, True), done.stderr
            assert all(name in done.stdout for name in failing)


async def test_a_cordoned_node_is_named_with_the_way_back(tmp_path: Path) -> None:
    async with running(tmp_path, node("a", cordoned=True), node("b"), failing={}):
        done = await asyncio.to_thread(ph, "--home", str(tmp_path), "status")
    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("nodes")]
    assert re.search(r"a Ready, takes no new pods until `.*ph --home \S+ kubectl uncordon a`, b Ready$", line), line


async def test_a_node_that_does_not_work_is_named_with_what_says_why(tmp_path: Path) -> None:
    async with running(tmp_path, node("a", pressure="MemoryPressure"), node("b", ready=False), failing={}):
        done = await asyncio.to_thread(ph, "--home", str(tmp_path), "status")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("nodes")]
    why = r"\(`.*ph --home \S+ kubectl describe node {}` says why\)"
    assert re.search(f"a Ready, MemoryPressure {why.format('a')}, b NotReady {why.format('b')}$", line), line


def test_a_webhook_that_does_not_answer_is_named_with_a_way_out() -> None:
    labels = 'configuration="guard",name="a.example.com",policy="Fail",type="validating"'
    (told,) = webhooks.told(f"up 1\npilothouse_admission_webhook_failing{{{labels}}} 1\n")
    assert told.startswith("webhook a.example.com does not answer, and what it is to see cannot be written: ")
    assert told.endswith("kubectl delete validatingwebhookconfiguration guard`")
