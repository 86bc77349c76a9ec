"""What a deploy that cannot serve ends with, and when; nodes are played, the gateway is a small server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import click
import pytest

from pilothouse.aio.tasks import scope
from pilothouse.cli.apps.following import followed
from pilothouse.cli.apps.outlook import Outlook
from pilothouse.cli.apps.rollout import Rollout
from pilothouse.cli.apps.route import Route
from pilothouse.cli.apps.scale import _until
from pilothouse.cli.why.standing import state
from pilothouse.model import kinds, meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from tests.cli.shop import terminated, waiting
from tests.engine.controllers.conftest import Cluster, kubelet
from tests.platform.live import platform

RUNC = 'runc create failed: unable to start container process: exec: "gunicorn": executable file not found in $PATH: unknown'
NO_ROOM = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found."
SCHEDULED = {"type": "PodScheduled", "status": "True"}
UNSCHEDULED = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_ROOM}]


def shop(**spec: object) -> Object:
    return {"metadata": {"name": "shop", "namespace": "default"}, "spec": {"image": "web:1", **spec}}


def container(state: Object, *, restarts: int = 0, last: Object | None = None) -> Object:
    seen = {"name": "app", "image": "web:2", "imageID": "", "ready": False, "restartCount": restarts, "state": state}
    return {"containerStatuses": [seen | ({"lastState": {"terminated": last}} if last else {})]}


def crash(code: int, reason: str = "Error") -> Object:
    return container(waiting("CrashLoopBackOff"), restarts=1, last=terminated(code, reason))


@asynccontextmanager
async def sick(cluster: Cluster, image: str, status: Object) -> AsyncIterator[None]:
    """Plays a node on which every pod with that image has this status."""

    async def write() -> None:
        while True:
            for pod in await cluster.items(kinds.PODS):
                if pod["spec"]["containers"][0]["image"] == image and not (pod.get("status") or {}).get("conditions"):
                    with suppress(NotFound):
                        changed = {"status": {"phase": "Pending", "conditions": [SCHEDULED], **status}}
                        await cluster.client.patch(kinds.PODS, meta.name(pod), changed, namespace="default", subresource="status")
            await asyncio.sleep(0.05)

    async with scope() as tasks:
        tasks.spawn(write())
        yield
        tasks.cancel()


def rollout(cluster: Cluster, wanted: Object, before: Object | None = None) -> Rollout:
    """In whose eyes time passes ten times as fast."""
    found = Rollout(cluster.client, wanted, before)
    found.outlook = Outlook(cluster.client, "shop", "default", clock=lambda: time.monotonic() * 10)
    return found


async def deployed(cluster: Cluster, wanted: Object) -> Object:
    async with kubelet(cluster):
        made = rollout(cluster, wanted)
        await made.apply()
        return await made.follow(30)


CASES: dict[str, tuple[Object, str]] = {
    "crash at import": (crash(3), "container app ended with exit code 3"),
    "out of memory": (crash(137, "OOMKilled"), r"container app exceeded .* and was killed \(OOMKilled"),
    "ends by itself": (crash(0, "Completed"), "container app ends by itself with exit code 0"),
    "no program": (container(waiting("RunContainerError", RUNC)), "the image of container app has no program gunicorn"),
    "image missing": (container(waiting("ErrImagePull", "code = NotFound: not found")), "image web:2 does not exist in its registry"),
    "image name": (container(waiting("InvalidImageName", "x")), '"web:2" is no valid image name'),
    "config missing": (container(waiting("CreateContainerConfigError", 'secret "x" not found')), 'secret "x", which .* does not exist'),
    "no room": ({"conditions": UNSCHEDULED}, "no node can take pod shop-.*Insufficient cpu; ask for less cpu"),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_deploy_ends_with_the_cause_as_soon_as_it_is_certain(tmp_path: Path, case: str) -> None:
    status, said = CASES[case]
    async with platform(tmp_path) as cluster, sick(cluster, "web:2", status):
        made = rollout(cluster, shop(image="web:2"))
        await made.apply()
        with pytest.raises(click.ClickException, match=f"shop is not deployed: {said}"):
            await made.follow(20)


async def test_what_served_before_goes_on_and_is_named(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        before = await deployed(cluster, shop())
        async with sick(cluster, "web:2", crash(3)):
            made = rollout(cluster, before | {"spec": before["spec"] | {"image": "web:2"}}, before)
            await made.apply()
            with pytest.raises(click.ClickException, match="; revision 1 goes on serving; see `ph logs shop"):
                await made.follow(20)
        assert [pod["spec"]["containers"][0]["image"] for pod in await cluster.items(kinds.PODS) if meta.is_true(pod, "Ready")] == ["web:1"]


async def test_a_release_that_fails_ends_the_deploy_with_what_goes_on_and_where_it_printed(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        before = await deployed(cluster, shop())
        failed = {"type": "Ready", "status": "False", "reason": "ReleaseFailed", "message": "the release process failed: migrate"}
        made = rollout(cluster, before)
        await made.outlook.refresh()
        app = before | {"status": before["status"] | {"conditions": [failed]}}
        assert made.outlook._scene is not None
        made.outlook._scene = replace(made.outlook._scene, app=app)
        assert state(made.outlook._scene) == "still serves revision 1"
        said = await made._failure(app)
        assert said.endswith("release process failed: migrate; revision 1 goes on serving; see `ph logs shop --process release`")


async def test_the_next_deploy_is_not_blamed_for_the_crash_of_the_last(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        good = await deployed(cluster, shop())
        async with sick(cluster, "web:2", crash(3)), sick(cluster, "web:3", CASES["no program"][0]):
            for image, said in (("web:2", "exit code 3.*revision 1 goes on"), ("web:3", "no program gunicorn.*revision 1 goes on")):
                before = await cluster.client.get(APPS, "shop", "default")
                made = rollout(cluster, good | {"spec": good["spec"] | {"image": image}}, before)
                await made.outlook.refresh()
                await made.apply()
                with pytest.raises(click.ClickException, match=said):
                    await made.follow(20)


async def test_a_deploy_of_an_app_that_is_scaled_to_zero_does_not_say_that_it_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with platform(tmp_path) as cluster:
        made = rollout(cluster, shop(replicas=0))
        await made.apply()
        await made.follow(20)
    assert "shop has revision 1 and is scaled to 0: `ph scale shop=1` starts it" in capsys.readouterr().err


async def test_a_first_crash_may_be_bad_luck(tmp_path: Path) -> None:
    once = container(waiting("CrashLoopBackOff"), last=terminated(1))
    async with platform(tmp_path) as cluster, sick(cluster, "web:2", once):
        made = rollout(cluster, shop(image="web:2"))
        await made.apply()
        with pytest.raises(click.ClickException, match=r"does not serve after 3 s: container app ended with exit code 1.*`ph why shop`"):
            await made.follow(3)


async def test_a_worker_that_crashes_is_named(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, sick(cluster, "web:2", crash(1)):
        made = rollout(cluster, shop(image="web:2", port=0, processes={"worker": {"args": ["work"]}}))
        await made.apply()
        with pytest.raises(click.ClickException, match="process worker: container app ended with exit code 1"):
            await made.follow(20)


async def test_scaling_beyond_the_room_ends_with_the_cause(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        await deployed(cluster, shop())
        async with sick(cluster, "web:1", {"conditions": UNSCHEDULED}):
            await cluster.patch(APPS, "shop", {"spec": {"replicas": 3}})
            with pytest.raises(click.ClickException, match=r"shop has . of 3 replicas of web, and that stays so: no node can take"):
                await _until(cluster.client, "shop", "default", lambda _: {"web": 3}, 30)


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[int]:
    """A server that gives these answers, the last one again and again; its port."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def answer(status: int) -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("status", [200, 204, 302, 401, 404])
async def test_every_answer_but_a_server_error_is_one(status: int) -> None:
    async with answering(answer(status)) as port:
        assert await Route("127.0.0.1").is_answered(f"http://shop.localhost:{port}")


@pytest.mark.parametrize(
    ("given", "fault"), [(answer(500), "is answered with 500"), (b"", "closed without an answer"), (b"SSH-2.0\r\n", "no HTTP")]
)
async def test_what_is_no_answer_is_said(given: bytes, fault: str) -> None:
    route = Route("127.0.0.1")
    async with answering(given) as port:
        assert not await route.is_answered(f"http://shop.localhost:{port}")
    assert fault in route.fault
    assert not route.is_hopeless


async def test_an_app_that_answers_only_errors_does_not_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.cli.apps.route.PATIENCE_S", 0.5)
    async with platform(tmp_path) as cluster, kubelet(cluster), answering(answer(500)) as port:
        made = rollout(cluster, shop(hosts=["shop.localhost"]))
        made.route = PortedRoute("127.0.0.1", port)
        await made.apply()
        with pytest.raises(click.ClickException, match=r"its replicas run, but GET .* is answered with 500; see `ph logs shop`"):
            await made.follow(20)


async def test_an_app_serves_once_it_is_answered(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster), answering(answer(503), answer(502), answer(200)) as port:
        made = rollout(cluster, shop())
        made.route = PortedRoute("127.0.0.1", port)
        await made.apply()
        assert (await made.follow(20))["status"]["revision"] == 1


class PortedRoute(Route):
    """To the test's server instead of port 80."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(address)
        self.port = port

    async def is_answered(self, url: str) -> bool:
        return await super().is_answered(f"{url}:{self.port}")


async def test_what_had_to_end_for_a_release_that_fails_comes_back(tmp_path: Path) -> None:
    volumes = {"data": {"path": "/data", "claim": "old"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    async with platform(tmp_path) as cluster:
        await cluster.create(kinds.PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "old"}, "spec": spec})
        before = await deployed(cluster, shop(volumes=volumes))
        async with sick(cluster, "web:2", crash(3)), kubelet(cluster, but="web:2"):
            made = rollout(cluster, shop(volumes=volumes, image="web:2"), before)
            await made.apply()
            with pytest.raises(click.ClickException, match="exit code 3") as failed:
                await followed(cluster.client, made, None, 30)
        assert failed.value.message.endswith("; the state of revision 1 is back and serves")
        app = await cluster.until_one(APPS, "shop", lambda obj: meta.is_true(obj, "Ready"))
        assert app["spec"]["image"] == "web:1"
