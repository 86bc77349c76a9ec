import asyncio
import json
from pathlib import Path

import pytest

from pilothouse.cli.cluster.status import is_over
from pilothouse.client.transport import Call
from pilothouse.model.json import Object
from tests.cli.answers import answering, saying
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
        ("Failed", "ReplicaSet", False),
    ],
)
def test_pods_that_have_done_their_work_are_over(phase: str, owner: str, over: bool) -> None:
    assert is_over(pod("x", phase, owner)) == over


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
        "pods": {"running": 1, "all": 1},
        "apps": {"ready": 0, "all": 0},
    }
