"""kr8s, an asynchronous client with objects."""

import asyncio
from pathlib import Path
from typing import Any

import kr8s
import pytest
from kr8s.asyncio.objects import ConfigMap, Deployment, Pod, new_class

from tests.clients.kubectl import Kubectl
from tests.clients.node import LOG
from tests.clients.objects import boat, boats, config_map, deployment, pod

DEADLINE_S = 15
pytestmark = [
    pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported:UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.usefixtures("leftovers_collected"),
]


@pytest.fixture
async def api(kubeconfig: Path, namespace: str) -> kr8s.asyncio.Api:
    return await kr8s.asyncio.api(kubeconfig=str(kubeconfig), namespace=namespace)


async def test_kr8s_creates_patches_and_deletes(api: kr8s.asyncio.Api) -> None:
    settings = await ConfigMap(config_map("settings", a="1"), api=api)
    await settings.create()
    await settings.patch({"data": {"b": "2"}})
    assert dict((await ConfigMap.get("settings", api=api)).data) == {"a": "1", "b": "2"}
    await settings.delete()
    assert not await settings.exists()


async def test_kr8s_lists_by_labels(api: kr8s.asyncio.Api) -> None:
    await (await Pod(pod("one", tier="front"), api=api)).create()
    await (await Pod(pod("two", tier="back"), api=api)).create()
    found: list[Any] = [each async for each in Pod.list(label_selector={"tier": "front"}, api=api)]
    assert [each.name for each in found] == ["one"]


async def test_kr8s_waits_and_scales(api: kr8s.asyncio.Api) -> None:
    web = await Deployment(deployment("web"), api=api)
    await web.create()
    async with asyncio.timeout(DEADLINE_S):
        await web.wait("condition=Available")
        await web.scale(3)
        await web.wait("jsonpath='{.status.readyReplicas}'=3")
    assert len(await web.pods()) == 3


async def test_kr8s_watches(api: kr8s.asyncio.Api) -> None:
    async def made() -> None:
        await (await ConfigMap(config_map("one"), api=api)).create()

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(made())
        async for event, found in api.watch("configmaps", namespace=api.namespace):
            if found.name == "one":
                assert event == "ADDED"
                break


async def test_kr8s_execs_and_reads_logs(api: kr8s.asyncio.Api) -> None:
    calm = await Pod(pod("calm"), api=api)
    await calm.create()
    async with asyncio.timeout(DEADLINE_S):
        await calm.wait("condition=Ready")
        done = await calm.exec(["echo", "hello"])
    assert done.stdout == b"hello\n"
    assert [line async for line in calm.logs()] == LOG.decode().splitlines()


async def test_kr8s_works_with_a_custom_resource(api: kr8s.asyncio.Api, kubectl: Kubectl) -> None:
    plural = f"{kubectl.namespace}s"
    kubectl.apply(boats(plural))
    kubectl("wait", "--for=condition=Established", f"crd/{plural}.{plural}.example.com", "--timeout=15s")
    made = boat("anna", plural)
    kind = new_class(kind=made["kind"], version=made["apiVersion"], namespaced=True, plural=plural, asyncio=True)
    await (await kind(made, api=api)).create()
    assert (await kind.get("anna", api=api)).spec["sail"] == "main"
    kubectl("delete", "crd", f"{plural}.{plural}.example.com", "--wait=false")
