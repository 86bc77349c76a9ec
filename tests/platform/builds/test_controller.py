"""The controller on the engine's API server; the node is played by writing the status of pods."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform import rights
from pilothouse.platform.builds import controller, program, sweeps
from pilothouse.platform.builds.bases import Bases
from pilothouse.platform.builds.bundle import bundle
from pilothouse.platform.builds.controller import BuildController, BuildSettings
from pilothouse.platform.builds.log import kept_log
from pilothouse.platform.builds.outcome import Outcome, Prepared, Step, write, write_prepared
from pilothouse.platform.builds.plan import ATTEMPT
from pilothouse.platform.builds.pod import CONFIG, CREDENTIALS, ENVIRONMENT, SYSTEM, BuilderConfig
from pilothouse.platform.builds.resource import BUILDS
from tests.engine.controllers.conftest import Cluster, controlled
from tests.people import ADMIN, client_of, platform_part
from tests.platform.live import api_server_for_platform

DIGEST = "sha256:" + "a" * 64
POD = "shop-1-build"
BUILT = Outcome("", "", DIGEST, (8000, 9000), {"user": "10001"}, (Step("RUN x", 2, 1.5, cached=True),))


class FakeBases(Bases):
    """Makes everything at once."""

    async def ensure(self, image: str, told: Callable[[str], None] = lambda _: None) -> str:
        told(f"making {image}")
        return image


@asynccontextmanager
async def cluster_with_builds(
    tmp_path: Path, bases: Bases | None = None, before: Sequence[tuple[Resource, Object]] = ()
) -> AsyncIterator[Cluster]:
    """before: objects that are there when the controller starts."""
    async with api_server_for_platform(tmp_path) as server:
        for resource, obj in before:
            await client_of(server, ADMIN).create(resource, obj)
        client, saying = (client_of(server, platform_part(part)) for part in (rights.BUILDS, rights.SETUP))
        async with controlled(server) as found, scope() as tasks:
            recorder, informers = Recorder(saying, None, "pilothouse"), Informers(client)
            settings = BuildSettings(BuilderConfig("builder:1", "127.0.0.1:1", "/var/x", stand_ins=False), bases)
            builds = BuildController(client, informers, recorder, settings)
            tasks.spawn(recorder.run())
            await tasks.start(informers.run)
            tasks.spawn(builds.run())
            yield found
            tasks.cancel()


NODE = "n"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


async def build(cluster: Cluster, **spec: Any) -> None:
    await submit(cluster, **spec)
    await cluster.until_one(kinds.PODS, POD, lambda pod: True)


async def place(cluster: Cluster) -> Object:
    """Put the newest pod of the build on the node, where its source is there and the build runs."""
    pod = await cluster.until_one(kinds.PODS, POD, lambda pod: not meta.is_deleting(pod) and not pod["spec"].get("nodeName"))
    if await cluster.get(kinds.NODES, NODE) is None:
        await cluster.create(kinds.NODES, {"metadata": {"name": NODE}})
        await cluster.client.patch(kinds.NODES, NODE, {"status": READY}, subresource="status")
    target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
    await cluster.create(kinds.BINDINGS, {"metadata": {"name": POD}, "target": target})
    await cluster.set_pod(pod, initContainerStatuses=[{"name": "source", "state": {"running": {}}}])
    await cluster.until_one(BUILDS, "shop-1", lambda found: (found.get("status") or {}).get("phase") == "Running")
    source = {"name": "source", "state": {"terminated": {"exitCode": 0, "message": write_prepared(Prepared(()))}}}
    made = {"name": "build", "state": {"running": {}}}
    return await cluster.set_pod(pod, phase="Running", initContainerStatuses=[source], containerStatuses=[made])


async def submit(cluster: Cluster, **spec: Any) -> None:
    wanted = {"source": {"git": {"url": "https://x/y"}}, "image": "127.0.0.1:1/apps/shop:1", **spec}
    await cluster.client.create(BUILDS, {"metadata": {"name": "shop-1", "namespace": "default"}, "spec": wanted})


async def say(cluster: Cluster, *, exit_code: int, message: str) -> None:
    """The source is there and the build container has ended."""
    source = {"name": "source", "state": {"terminated": {"exitCode": 0, "message": write_prepared(Prepared(()))}}}
    made = {"name": "build", "state": {"terminated": {"exitCode": exit_code, "message": message}}}
    status = {"phase": "Failed" if exit_code else "Succeeded", "initContainerStatuses": [source], "containerStatuses": [made]}
    await cluster.client.patch(kinds.PODS, POD, {"status": status}, namespace="default", subresource="status")


async def ended(cluster: Cluster) -> Any:
    return (await cluster.until_one(BUILDS, "shop-1", lambda build: (build.get("status") or {}).get("finishedAt")))["status"]


async def test_a_build_gets_a_pod_and_the_program_that_it_runs(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        await build(cluster)
        found = await cluster.client.get(kinds.CONFIGMAPS, program.name(), "default")
        assert base64.b64decode(found["binaryData"]["build.pyz"]) == bundle()
        assert found["immutable"] is True


async def test_no_build_runs_a_program_that_somebody_else_has_put_there(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        other = {"metadata": {"name": program.name()}, "binaryData": {"build.pyz": base64.b64encode(b"other").decode()}, "immutable": True}
        await cluster.create(kinds.CONFIGMAPS, other)
        await build(cluster)
        found = await cluster.client.get(kinds.CONFIGMAPS, program.name(), "default")
        assert base64.b64decode(found["binaryData"]["build.pyz"]) == bundle()


async def test_the_program_of_an_earlier_version_goes_when_no_build_uses_it(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        for name in ("used", "unused"):
            await cluster.create(kinds.CONFIGMAPS, {"metadata": {"name": name, "labels": {program.LABEL: "yes"}}, "immutable": True})
        await cluster.create(kinds.PODS, running_build("used"))
        await build(cluster)
        await cluster.until(kinds.CONFIGMAPS, lambda found: programs(found) == {"used", program.name()}, "both that are used")


def running_build(mounted: str) -> Any:
    volume = {"name": "program", "configMap": {"name": mounted}}
    return {"metadata": {"name": "other"}, "spec": {"containers": [{"name": "build", "image": "builder:0"}], "volumes": [volume]}}


def programs(found: list[Any]) -> set[str]:
    return {each["metadata"]["name"] for each in found if program.LABEL in (each["metadata"].get("labels") or {})}


async def test_what_the_image_says_of_itself_is_in_the_status(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        await build(cluster)
        await say(cluster, exit_code=0, message=write(BUILT))
        status = await ended(cluster)
        assert (status["phase"], status["digest"], status["exposedPorts"]) == ("Succeeded", DIGEST, [8000, 9000])
        assert status["image"]["user"] == "10001"
        assert status["steps"] == [{"name": "RUN x", "line": 2, "seconds": 1.5, "cached": True}]


async def test_the_builders_own_words_are_the_reason_of_a_failure(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        await build(cluster)
        await say(cluster, exit_code=1, message=write(Outcome("BuildFailed", "Dockerfile line 2: RUN x failed")))
        status = await ended(cluster)
        assert (status["phase"], status["reason"], status["message"]) == ("Failed", "BuildFailed", "Dockerfile line 2: RUN x failed")


async def test_the_pod_goes_and_the_log_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        monkeypatch.setattr(controller, "POD_KEPT_S", 0.0)
        await build(cluster)
        await say(cluster, exit_code=0, message=write(BUILT))
        await ended(cluster)
        await cluster.until(kinds.PODS, lambda pods: not pods, "no pod")
        assert isinstance(await kept_log(cluster.client, "shop-1", "default"), bytes)


async def test_a_cancelled_build_stops_at_once(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        await build(cluster)
        await cluster.client.patch(BUILDS, "shop-1", {"spec": {"cancelled": True}}, namespace="default")
        assert (await ended(cluster))["phase"] == "Cancelled"


async def test_the_store_is_swept_after_a_build_that_was_cancelled_and_the_sweeping_pod_goes(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        await cluster.create(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}})
        await submit(cluster)
        await place(cluster)
        await cluster.client.patch(BUILDS, "shop-1", {"spec": {"cancelled": True}}, namespace="default")
        (pod,) = await cluster.until(kinds.PODS, lambda pods: pods, "a sweeping pod", SYSTEM)
        assert pod["spec"]["containers"][0]["command"][-1] == "sweep"
        await cluster.set_pod(pod, phase="Succeeded")
        await cluster.until(kinds.PODS, lambda pods: not pods, "no pod", SYSTEM)


async def test_a_deleted_build_that_ran_is_swept_after_and_one_that_ended_by_itself_is_not(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        await cluster.create(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}})
        await build(cluster)
        await say(cluster, exit_code=0, message=write(BUILT))
        await ended(cluster)
        await cluster.client.delete(BUILDS, "shop-1", "default")
        await cluster.until(kinds.PODS, lambda pods: not pods, "no pod of the first")
        await submit(cluster)
        await place(cluster)
        uid = (await cluster.client.get(BUILDS, "shop-1", "default"))["metadata"]["uid"]
        await cluster.client.delete(BUILDS, "shop-1", "default")
        (pod,) = await cluster.until(kinds.PODS, lambda pods: pods, "a sweeping pod", SYSTEM)
        assert {"name": "BUILD_UID", "value": uid} in pod["spec"]["containers"][0]["env"]


class SlowBases(Bases):
    """Makes nothing, without end."""

    async def ensure(self, image: str, told: Callable[[str], None] = lambda _: None) -> str:
        await asyncio.Event().wait()
        return image


async def test_a_build_can_be_cancelled_while_a_base_image_is_made_for_it(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path, SlowBases("127.0.0.1:1", tmp_path)) as cluster:
        await submit(cluster)
        await cluster.client.patch(BUILDS, "shop-1", {"spec": {"cancelled": True}}, namespace="default")
        assert (await ended(cluster))["phase"] == "Cancelled"


async def test_what_is_made_for_a_build_is_said_and_that_it_is_there(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path, FakeBases("127.0.0.1:1", tmp_path)) as cluster:
        await build(cluster)
        told = {"Preparing": "making builder:1", "Prepared": "builder:1 is there"}
        await cluster.until(kinds.EVENTS, lambda events: {each["reason"]: each["message"] for each in events} == told, "both events")


@pytest.mark.parametrize(("given", "brought"), [("other", False), ("default other", True)])
async def test_a_namespace_gets_credentials_when_the_operator_names_it(tmp_path: Path, given: str, brought: bool) -> None:
    secrets: list[Object] = [
        {"metadata": {"name": name, "namespace": SYSTEM}, "data": {"npmrc": "eA=="}} for name in (ENVIRONMENT, CREDENTIALS)
    ]
    before = [(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}}), *((kinds.SECRETS, each) for each in secrets)]
    settings = {"metadata": {"name": CONFIG, "namespace": SYSTEM}, "data": {"build.credentials": given}}
    async with cluster_with_builds(tmp_path, before=[*before, (kinds.CONFIGMAPS, settings)]) as cluster:
        await build(cluster)
        pod = await cluster.client.get(kinds.PODS, POD, "default")
        assert await cluster.client.get_or_none(kinds.SECRETS, ENVIRONMENT, "default") is not None
        assert (await cluster.client.get_or_none(kinds.SECRETS, CREDENTIALS, "default") is not None) is brought
        assert ("credentials" in [volume["name"] for volume in pod["spec"]["volumes"]]) is brought


@pytest.mark.parametrize("is_first", [True, False])
async def test_the_build_environment_is_brought_into_the_builds_namespace(tmp_path: Path, is_first: bool) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        await cluster.create(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}})
        data = {"ca": base64.b64encode(b"PEM").decode()}
        await cluster.create(kinds.SECRETS, {"metadata": {"name": ENVIRONMENT}, "data": data}, SYSTEM)
        await cluster.until(kinds.SECRETS, bool, namespace=SYSTEM)
        if not is_first:
            await cluster.create(kinds.SECRETS, {"metadata": {"name": ENVIRONMENT}, "data": {"old": "eA=="}})
        await build(cluster)
        assert (await cluster.client.get(kinds.SECRETS, ENVIRONMENT, "default"))["data"] == data


async def test_a_namespace_whose_level_forbids_builds_says_how_to_allow_them(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        labels = {"pod-security.kubernetes.io/enforce": "baseline"}
        await cluster.client.patch(kinds.NAMESPACES, "default", {"metadata": {"labels": labels}})
        await submit(cluster)
        failed = await cluster.until_one(BUILDS, "shop-1", lambda found: (found.get("status") or {}).get("reason") == "PodRefused")
        way = "kubectl label --overwrite namespace default pod-security.kubernetes.io/enforce=privileged"
        assert failed["status"]["message"].endswith(f"builds need the level privileged: `{way}`")


async def test_a_build_whose_pod_is_deleted_begins_anew_and_what_it_left_on_the_node_is_swept(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        await cluster.create(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}})
        await submit(cluster)
        first = await place(cluster)
        await cluster.client.delete(kinds.PODS, POD, "default", grace_s=0)
        second = await place(cluster)
        assert meta.uid(second) != meta.uid(first)
        assert meta.labels(second)[ATTEMPT] == "1"
        (pod,) = await cluster.until(kinds.PODS, lambda pods: pods, "a sweeping pod", SYSTEM)
        assert pod["spec"]["nodeSelector"] == {"kubernetes.io/hostname": NODE}
        await say(cluster, exit_code=0, message=write(BUILT))
        status = await ended(cluster)
        assert (status["phase"], status["interruptions"], status["message"]) == ("Succeeded", 1, "")


async def test_a_build_goes_on_elsewhere_when_its_node_does_not_answer(tmp_path: Path) -> None:
    async with cluster_with_builds(tmp_path) as cluster:
        await submit(cluster)
        first = await place(cluster)
        await cluster.client.patch(
            kinds.NODES, NODE, {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, subresource="status"
        )
        await cluster.client.delete(kinds.PODS, POD, "default")  # As the node controller does; nobody ends it there.
        second = await cluster.until_one(kinds.PODS, POD, lambda pod: meta.uid(pod) != meta.uid(first))
        assert meta.labels(second)[ATTEMPT] == "1"
        found = await cluster.client.get(BUILDS, "shop-1", "default")
        assert found["status"]["message"] == f"node {NODE}, on which it ran, does not answer: the build begins anew"


async def test_a_sweep_goes_with_its_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "LOOK_S", 0.05)
    async with cluster_with_builds(tmp_path) as cluster:
        await cluster.create(kinds.NAMESPACES, {"metadata": {"name": SYSTEM}})
        await submit(cluster)
        await place(cluster)
        await cluster.client.patch(BUILDS, "shop-1", {"spec": {"cancelled": True}}, namespace="default")
        await cluster.until(kinds.PODS, lambda pods: pods, "a sweeping pod", SYSTEM)
        await cluster.client.delete(kinds.NODES, NODE)
        await cluster.until(kinds.PODS, lambda pods: not pods, "no pod", SYSTEM)
