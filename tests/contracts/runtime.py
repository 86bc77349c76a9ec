"""What every container runtime promises. A suite for an implementation subclasses `RuntimeContract` and gives it a `bench` fixture."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import (
    CONTAINER_NAME,
    CREATED,
    EXITED,
    POD_NAME,
    POD_NAMESPACE,
    POD_UID,
    RUNNING,
    Container,
    Exited,
    Runtime,
    RuntimeFailure,
)

DEADLINE_S = 20


@dataclass(frozen=True, slots=True)
class Bench:
    """image: of a program that runs until SIGTERM. short: of one that ends by itself with code 3. Both are there already.

    command, short_command: what makes an image such a program; empty for the image's own. logs: folder for the containers' logs.
    """

    runtime: Runtime
    logs: Path
    image: str
    short: str
    command: tuple[str, ...] = ()
    short_command: tuple[str, ...] = ()
    cgroup_parent: str = ""
    speaks: bool = False
    """Whether that program writes a line as soon as it hears signals: before, they are lost or end it in another way."""

    def sandbox_config(self, uid: str, attempt: int = 0) -> api.PodSandboxConfig:
        labels = {POD_NAME: "p", POD_NAMESPACE: "ns", POD_UID: uid}
        network = api.NamespaceOption(network=api.NODE)
        security = api.LinuxSandboxSecurityContext(namespace_options=network)
        return api.PodSandboxConfig(
            metadata=api.PodSandboxMetadata(name="p", uid=uid, namespace="ns", attempt=attempt),
            labels=labels,
            log_directory=str(self.logs),
            linux=api.LinuxPodSandboxConfig(cgroup_parent=self.cgroup_parent, security_context=security),
        )

    def container_config(self, name: str, *, short: bool = False, attempt: int = 0) -> api.ContainerConfig:
        return api.ContainerConfig(
            metadata=api.ContainerMetadata(name=name, attempt=attempt),
            image=api.ImageSpec(image=self.short if short else self.image),
            command=self.short_command if short else self.command,
            labels={CONTAINER_NAME: name},
            annotations={"example.com/kept": "yes"},
            log_path=f"{name}-{attempt}.log",
            linux=api.LinuxContainerConfig(
                security_context=api.LinuxContainerSecurityContext(namespace_options=api.NamespaceOption(network=api.NODE))
            ),
        )


@dataclass(slots=True)
class Pod:
    bench: Bench
    uid: str
    box: str

    async def start(self, name: str = "main", *, short: bool = False, attempt: int = 0) -> str:
        id = await self.create(name, short=short, attempt=attempt)
        await self.bench.runtime.start_container(id)
        if self.bench.speaks and not short:
            await self._spoken(self.bench.logs / f"{name}-{attempt}.log")
        return id

    async def _spoken(self, log: Path) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not (log.exists() and log.stat().st_size):
                await asyncio.sleep(0.01)

    async def create(self, name: str = "main", *, short: bool = False, attempt: int = 0) -> str:
        config = self.bench.container_config(name, short=short, attempt=attempt)
        return await self.bench.runtime.create_container(self.box, config, self.bench.sandbox_config(self.uid))

    async def until(self, id: str, state: str) -> Container:
        async with asyncio.timeout(DEADLINE_S):
            while (found := await self.bench.runtime.container(id)).state != state:
                await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def a_pod(bench: Bench) -> AsyncIterator[Pod]:
    uid = str(uuid4())
    box = await bench.runtime.run_sandbox(bench.sandbox_config(uid))
    try:
        yield Pod(bench, uid, box)
    finally:
        with suppress(RuntimeFailure):
            await bench.runtime.stop_sandbox(box)
            await bench.runtime.remove_sandbox(box)


class RuntimeContract:
    async def test_a_sandbox_is_ready_until_it_is_stopped_and_known_until_it_is_removed(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            found = await bench.runtime.sandbox(pod.box)
            assert (found.uid, found.name, found.namespace, found.attempt, found.ready) == (pod.uid, "p", "ns", 0, True)
            await bench.runtime.stop_sandbox(pod.box)
            assert not (await bench.runtime.sandbox(pod.box)).ready
            await bench.runtime.remove_sandbox(pod.box)
            with pytest.raises(RuntimeFailure) as failed:
                await bench.runtime.sandbox(pod.box)
            assert failed.value.code == "NOT_FOUND"

    async def test_the_same_attempt_of_a_pod_is_given_one_sandbox(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            with pytest.raises(RuntimeFailure, match="reserve"):
                await bench.runtime.run_sandbox(bench.sandbox_config(pod.uid))

    async def test_stopping_and_removing_a_sandbox_twice_is_no_failure(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            for _ in range(2):
                await bench.runtime.stop_sandbox(pod.box)
            for _ in range(2):
                await bench.runtime.remove_sandbox(pod.box)

    async def test_a_container_is_created_runs_and_ends(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.create(short=True)
            assert (await bench.runtime.container(id)).state == CREATED
            await bench.runtime.start_container(id)
            ended = await pod.until(id, EXITED)
            assert (ended.exit_code, ended.name, ended.attempt) == (3, "main", 0)
            assert ended.annotations["example.com/kept"] == "yes"
            assert 0 < ended.started_at <= ended.finished_at

    async def test_what_has_ended_is_not_started_again(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.start(short=True)
            await pod.until(id, EXITED)
            with pytest.raises(RuntimeFailure):
                await bench.runtime.start_container(id)

    async def test_the_list_says_which_sandbox_a_container_is_in(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.start()
            listed = {each.id: each for each in await bench.runtime.containers()}
            assert (listed[id].sandbox_id, listed[id].state) == (pod.box, RUNNING)
            assert pod.box in {each.id for each in await bench.runtime.sandboxes()}

    async def test_a_stopped_container_has_ended_when_the_call_returns(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.start()
            await bench.runtime.stop_container(id, 10)
            assert (await bench.runtime.container(id)).state == EXITED
            await bench.runtime.stop_container(id, 10)

    async def test_a_container_is_stopped_by_the_signal_that_is_asked_for(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.start()
            await bench.runtime.stop_container(id, 10, signal.SIGINT)
            ended = await bench.runtime.container(id)
            assert ended.exit_code == 130, ended
            await bench.runtime.stop_container(id, 10, signal.SIGINT)

    async def test_a_signal_that_ends_nothing_is_followed_by_a_kill(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.start()
            await bench.runtime.stop_container(id, 1, signal.SIGCONT)
            assert (await bench.runtime.container(id)).exit_code == 137

    async def test_a_sandbox_runs_under_a_handler_that_the_runtime_has(self, bench: Bench) -> None:
        handlers = (await bench.runtime.features()).handlers
        assert {"", "runc"} <= handlers.keys()
        box = await bench.runtime.run_sandbox(bench.sandbox_config(str(uuid4())), "runc")
        await bench.runtime.remove_sandbox(box)
        with pytest.raises(RuntimeFailure, match='no runtime for "other" is configured'):
            await bench.runtime.run_sandbox(bench.sandbox_config(str(uuid4())), "other")

    async def test_stopping_without_a_grace_kills(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.start()
            await bench.runtime.stop_container(id, 0)
            assert (await bench.runtime.container(id)).exit_code == 137

    async def test_the_end_of_a_sandbox_is_the_end_of_what_is_in_it(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.start()
            await bench.runtime.stop_sandbox(pod.box)
            assert (await pod.until(id, EXITED)).exit_code == 137
            with pytest.raises(RuntimeFailure):
                await pod.create("late")
            await bench.runtime.remove_sandbox(pod.box)
            with pytest.raises(RuntimeFailure) as failed:
                await bench.runtime.container(id)
            assert failed.value.code == "NOT_FOUND"

    async def test_a_removed_container_is_not_known_and_removing_it_again_is_no_failure(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.start(short=True)
            await pod.until(id, EXITED)
            for _ in range(2):
                await bench.runtime.remove_container(id)
            assert id not in {each.id for each in await bench.runtime.containers()}

    async def test_what_runs_is_given_other_resources_and_goes_on(self, bench: Bench) -> None:
        more = api.LinuxContainerResources(cpu_shares=512, cpu_period=100_000, cpu_quota=50_000)
        async with a_pod(bench) as pod:
            id = await pod.start()
            for _ in range(2):
                await bench.runtime.update_container(id, more)
            assert (await bench.runtime.container(id)).state == RUNNING
            await bench.runtime.stop_container(id, 0)
            await pod.until(id, EXITED)
            # Of what has ended it is noted, for nothing.
            await bench.runtime.update_container(id, more)
            with pytest.raises(RuntimeFailure) as failed:
                await bench.runtime.update_container("no-such-container", more)
            assert failed.value.code == "NOT_FOUND"

    async def test_an_exit_is_told_with_its_code(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            told: asyncio.Queue[object] = asyncio.Queue()

            async def listen() -> None:
                async for event in bench.runtime.events():
                    told.put_nowait(event)

            listening = asyncio.ensure_future(listen())
            try:
                await asyncio.sleep(0.5)
                id = await pod.start(short=True)
                async with asyncio.timeout(DEADLINE_S):
                    while not (isinstance(event := await told.get(), Exited) and event.container_id == id):
                        pass
                assert event.exit_code == 3
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def test_images_are_known_by_their_names(self, bench: Bench) -> None:
        found = await bench.runtime.image(bench.image)
        assert found is not None
        assert bench.image in found.tags
        assert await bench.runtime.image("absent.example/nothing:1") is None

    async def test_what_runs_has_figures_and_what_has_ended_has_none(self, bench: Bench) -> None:
        async with a_pod(bench) as pod:
            id = await pod.start()
            usage = {each.container_id: each for each in await bench.runtime.usage()}[id]
            assert usage.name == "main"
            assert usage.taken_at > 0
            assert min(usage.cpu_ns, usage.memory_bytes, usage.disk_bytes) >= 0
            await bench.runtime.stop_container(id, 0)
            await pod.until(id, EXITED)
            await bench.runtime.remove_container(id)
            assert id not in {each.container_id for each in await bench.runtime.usage()}
