"""One pod through CRI alone: what containerd and runc take on this machine, with the same network plug-in and the same configuration."""

import asyncio
import contextlib
import uuid

from bench.rig.figures import Figures, latencies, now
from bench.rig.instance import IMAGE, Instance
from bench.rig.objects import pod
from pilothouse.engine.node.request.container import Prepared, container_config
from pilothouse.engine.node.request.sandbox import Resolver, sandbox_config
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.engine.node.runtime.seam import Image, Runtime, RuntimeFailure

GRACE_S = 30
START = ("run_sandbox", "create_container", "start_container")
STOP = ("stop_container", "stop_sandbox")
_MEMORY = 1 << 30


class CriFloor:
    """Seconds of each call, pod by pod. The node agent leaves these pods alone until it sweeps: each is gone within seconds."""

    def __init__(self, instance: Instance) -> None:
        self._config = instance.node
        self._runtime: Runtime = CriRuntime(self._config.containerd_dir / "containerd.sock")
        self._took: dict[str, list[float]] = {name: [] for name in (*START, *STOP)}

    async def pod(self, name: str) -> None:
        """Started, stopped and removed again."""
        await self._stop(await self._start(name))

    async def many(self, count: int) -> float:
        """Seconds until so many are started that are all asked for at once; they are stopped and removed again."""
        began = now()
        made = await asyncio.gather(*(self._start(f"floor-of-many-{number}") for number in range(count)))
        took = now() - began
        await asyncio.gather(*map(self._stop, made))
        return took

    async def _start(self, name: str) -> tuple[str, str]:
        """The ids of its sandbox and container."""
        uid = str(uuid.uuid4())
        made = pod(name)
        made["metadata"]["uid"] = uid
        self._config.pod_logs(made["metadata"]["namespace"], name, uid).mkdir(parents=True)
        box_config = sandbox_config(made, 0, self._config, Resolver.of_host())
        config = container_config(
            made, made["spec"]["containers"][0], attempt=0, prepared=Prepared({}, ()), image=Image(IMAGE, (IMAGE,), (), 0),
            profiles=self._config.seccomp_dir, node_memory_bytes=_MEMORY,
        )  # fmt: skip
        moments = [now()]
        box = await self._runtime.run_sandbox(box_config)
        moments.append(now())
        container = await self._runtime.create_container(box, config, box_config)
        moments.append(now())
        await self._runtime.start_container(container)
        moments.append(now())
        self._note(START, moments)
        return box, container

    async def _stop(self, made: tuple[str, str]) -> None:
        box, container = made
        moments = [now()]
        await self._runtime.stop_container(container, GRACE_S)
        moments.append(now())
        await self._runtime.stop_sandbox(box)
        moments.append(now())
        self._note(STOP, moments)
        with contextlib.suppress(RuntimeFailure):  # the node's agent may be at it: once a minute it sweeps what the API does not know
            await self._runtime.remove_sandbox(box)

    def _note(self, calls: tuple[str, ...], moments: list[float]) -> None:
        for name, began, ended in zip(calls, moments, moments[1:], strict=False):
            self._took[name].append(ended - began)

    def forget(self) -> None:
        """What was only a warm-up."""
        for took in self._took.values():
            took.clear()

    def figures(self) -> Figures:
        """Each call, and what the calls of one start and of one stop take in all."""
        totals = {"start": START, "stop": STOP}
        sums = {name: [sum(took) for took in zip(*(self._took[call] for call in calls), strict=True)] for name, calls in totals.items()}
        return {name: latencies(took) for name, took in (sums | self._took).items()}

    async def close(self) -> None:
        await self._runtime.close()
