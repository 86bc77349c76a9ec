"""Static pods while no API server answers: what it has let in once runs, what it has not waits."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.static.pods import StaticPods, Worker
from pilothouse.engine.node.static.problems import problems
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

YAML = """
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  containers: [{name: main, image: app:1}]
"""


class Api:
    """A transport: answers as long as it is up."""

    def __init__(self) -> None:
        self.is_up = True

    async def call(self, call: Any) -> Any:
        if not self.is_up:
            raise ApiError("connection refused", code=503)
        if call.path == "/api/v1/nodes/n1":
            return {"metadata": {"name": "n1", "uid": "of-node"}}
        if call.method == "POST" and call.path.endswith("/pods"):
            made = dict(call.body)
            made["metadata"] = made["metadata"] | {"uid": f"of-{made['metadata']['name']}", "resourceVersion": "1"}
            made["spec"] = made["spec"] | {"restartPolicy": "Always"}
            return made
        raise AssertionError(call)


class Played:
    def __init__(self, pod: Object) -> None:
        self.pod = pod
        self.mirrors: list[Object | None] = []

    def update(self, pod: Object) -> None:
        self.pod = pod

    def mirrored(self, mirror: Object | None) -> None:
        self.mirrors.append(mirror)


class Workers:
    def __init__(self) -> None:
        self.begun: dict[str, Played] = {}

    def worker(self, uid: str) -> Worker | None:
        return self.begun.get(uid)

    def static(self) -> list[Worker]:
        return list(self.begun.values())

    def begin(self, uid: str, pod: Object) -> None:
        self.begun[uid] = Played(pod)

    def names(self) -> list[str]:
        return sorted(each.pod["metadata"]["name"] for each in self.begun.values())


async def for_a_while(pods: StaticPods, seconds: float = 0.3) -> None:
    running = asyncio.create_task(pods.run())
    await asyncio.sleep(seconds)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_what_was_let_in_runs_without_an_api_server_and_what_was_not_waits(tmp_path: Path) -> None:
    config = NodeConfig(home=tmp_path, node_name="n1", instance="i")
    api = Api()
    client = Client(api)  # type: ignore[arg-type]
    recorder = Recorder(client, None, "kubelet", "n1")
    config.manifests_dir.mkdir()
    (config.manifests_dir / "web.yaml").write_text(YAML.replace("NAME", "web"))
    first = Workers()
    pods = StaticPods(client, config, recorder, first)
    await pods.open()
    assert first.names() == [], "nobody has let it in yet"
    await for_a_while(pods)
    assert first.names() == ["web-n1"]

    api.is_up = False
    (config.manifests_dir / "new.yaml").write_text(YAML.replace("NAME", "new"))
    second = Workers()
    pods = StaticPods(client, config, recorder, second)
    await pods.open()
    (web,) = second.begun.values()
    assert (web.pod["spec"]["restartPolicy"], web.pod["metadata"]["name"]) == ("Always", "web-n1"), "with the API server's defaults"
    await for_a_while(pods)
    assert second.names() == ["web-n1"]
    assert not any(web.mirrors)
    assert problems(config.static_dir)["new.yaml"] == "connection refused"
    api.is_up = True
    await for_a_while(pods, 1.8)
    assert second.names() == ["new-n1", "web-n1"]
    assert problems(config.static_dir) == {}
    assert web.mirrors[-1] is not None
