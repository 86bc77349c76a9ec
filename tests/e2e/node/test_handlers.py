"""Pods under the runtime that their RuntimeClass names."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.cli.containerd.place import kept
from pilothouse.engine.node.runtime.containerd import Containerd
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, RUNTIMECLASSES
from tests.e2e import free
from tests.e2e.node.conftest import Machine, machine_with
from tests.e2e.node.pods import Cluster, pod, shell
from tests.e2e.node.session import first_objects, session

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine on which runc goes by another name as well, and notes when it is called by that."""
    programs = tmp_path / "programs"
    programs.mkdir()
    wrapper = programs / "crun"
    wrapper.write_text(f'#!/bin/sh\ntouch {tmp_path}/called\nexec {shutil.which("runc")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    with machine_with(kept(), free.network(231)) as made:
        yield made


async def _class(cluster: Cluster, handler: str) -> Object:
    return await cluster.client.create(RUNTIMECLASSES, {"metadata": {"name": f"on-{handler}"}, "handler": handler})


def test_a_pod_runs_under_the_handler_of_its_class_until_that_is_gone(second: Machine, tmp_path: Path) -> None:
    async def with_it(cluster: Cluster) -> None:
        await first_objects(cluster)
        await _class(cluster, "crun")
        await cluster.run(pod("plain"))
        assert not (tmp_path / "called").exists()
        await cluster.run(pod("other", runtimeClassName="on-crun"))
        assert (tmp_path / "called").exists()
        node = await cluster.client.get(NODES, "n1")
        assert {"", "runc", "crun"} <= {each.get("name", "") for each in node["status"]["runtimeHandlers"]}
        for name in ("plain", "other"):
            await cluster.delete(name, grace_s=0)

    async def without_it(cluster: Cluster) -> None:
        await cluster.create(pod("late", shell(), runtimeClassName="on-crun"))
        said = await cluster.said("late", "FailedCreatePodSandBox")
        assert 'this node has no runtime "crun", which RuntimeClass "on-crun" asks for' in said["message"]
        await cluster.delete("late", grace_s=0)

    async def both() -> None:
        await session(second, tmp_path, with_it)
        shutil.rmtree(tmp_path / "programs")
        containerd = Containerd(second.config)
        await containerd.end_outdated()
        assert await containerd.start()
        await session(second, tmp_path, without_it)

    asyncio.run(both())


async def test_a_class_that_asks_for_another_runtime_is_said_in_the_pods_events(cluster: Cluster) -> None:
    await _class(cluster, "other")
    await cluster.create(pod("lost", runtimeClassName="on-other"))
    said = await cluster.said("lost", "FailedCreatePodSandBox")
    assert "use a class with one of its handlers: runc" in said["message"]
