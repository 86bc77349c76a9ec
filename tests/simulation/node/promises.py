"""What the agent promises whatever happens: looked at after each step, and when everything has been left in peace for a while."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.engine.node.pod.podspec import cpu_shares
from pilothouse.engine.node.pod.steps import MountVolumes, RefreshVolumes
from pilothouse.engine.node.runtime.seam import Container
from pilothouse.engine.node.work.rounds import SLOWED
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from pilothouse.model.quantity import Quantity
from tests.simulation.node.world import World

SLACK_S = 6.0
"""Beyond the grace: what the agent and the runtime need to do what they have to, on quick wires."""
FINAL = ("Succeeded", "Failed")


@dataclass(slots=True)
class Deletion:
    at: float
    grace_s: int


@dataclass(slots=True)
class Promises:
    world: World
    logs: list[MutableMapping[str, Any]]
    deletions: dict[str, Deletion] = field(default_factory=dict)
    _slowed: float = field(default_factory=SLOWED.value)

    def deleted(self, uid: str, grace_s: int) -> None:
        """The pod has so long from now on; a longer grace than before is no promise."""
        known, now = self.deletions.get(uid), asyncio.get_running_loop().time()
        if known is None or now + grace_s < known.at + known.grace_s:
            self.deletions[uid] = Deletion(now, grace_s)

    def hold(self) -> None:
        """After each step."""
        assert SLOWED.value() == self._slowed, "a worker's loop came round too often"
        self._nothing_broke()
        self._grace_holds()

    def _nothing_broke(self) -> None:
        broken = [each for each in self.logs if each["log_level"] in ("error", "critical")]
        assert not broken, broken[0]

    def _grace_holds(self) -> None:
        """Of pods since whose deletion nothing has been wrong."""
        now, disturbed_at = asyncio.get_running_loop().time(), self.world.disturbed_at
        late = {uid for uid, each in self.deletions.items() if disturbed_at < each.at and now > each.at + each.grace_s + SLACK_S}
        over = [each for each in self.world.runtime.running() if each.uid in late]
        assert not over, f"it runs beyond its grace: {over[0]}"

    async def hold_in_peace(self) -> None:
        """When nothing has happened for long: what is shown is what there is, and nothing is left of what is gone."""
        self._nothing_broke()
        pods = {meta.uid(each): each for each in (await self.world.client.list(PODS, "default")).items}
        leaving = [meta.name(each) for each in pods.values() if meta.is_deleting(each)]
        assert not leaving, f"pods that never end: {leaving}"
        self._nothing_leaks(set(pods))
        failed = [step for worker in self.world.agent._workers.values() for step in worker.state.failed_steps]
        stuck = [step for step in failed if not isinstance(step, (MountVolumes, RefreshVolumes))]
        assert not stuck, f"steps that fail although nothing is wrong: {stuck}"
        running = self.world.runtime.running()
        for uid, pod in pods.items():
            _is_true(pod, [each for each in running if each.uid == uid], self.world)

    def _nothing_leaks(self, pods: set[str]) -> None:
        world = self.world
        assert {each.uid for each in world.runtime.boxes.values()} <= pods, "a sandbox without its pod"
        assert {each.uid for each in world.runtime.inside.values()} <= pods, "a container without its pod"
        assert world.host.cgroups <= pods, "a cgroup without its pod"
        folders = [*(world.folder / "kubelet" / "pods").glob("*"), *(world.folder / "memory").glob("*")]
        assert {each.name for each in folders} <= pods, "files without their pod"
        mounted = [each for each in world.host.mounts if each != str(world.folder / "memory")]
        assert not [each for each in mounted if not any(uid in each for uid in pods)], "a mount without its pod"
        assert set(world.agent._workers) == pods


def _is_true(pod: Object, running: list[Container], world: World) -> None:
    """What the API shows of a pod, held against the runtime."""
    status = pod["status"]
    boxes = [each for each in world.runtime.boxes.values() if each.uid == meta.uid(pod)]
    alive = [each for each in boxes if each.ready]
    assert len(alive) <= 1, f"two sandboxes of {meta.name(pod)}"
    if status["phase"] in FINAL:
        assert not running, f"a container runs in {meta.name(pod)}, which has ended"
        assert not alive, f"the address of {meta.name(pod)}, which has ended, is not free"
        return
    assert alive, f"{meta.name(pod)} has not been given a sandbox"
    shown = [*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())]
    ids = {each["containerID"].removeprefix("containerd://") for each in shown if "running" in each["state"]}
    assert ids == {each.id for each in running}, f"{meta.name(pod)} shows {ids}, there run {running}"
    if running:
        assert status.get("podIP") == (alive[0].ips[0] if alive else None)
    for each in running:
        _has_what_is_shown(each.name, shown, world.runtime.configs[each.id].linux.resources.cpu_shares)
    sidecars = {each["name"] for each in pod["spec"].get("initContainers") or () if each.get("restartPolicy") == "Always"}
    counting = [*status["containerStatuses"], *(each for each in shown if each["name"] in sidecars)]
    assert meta.is_true(pod, "ContainersReady") == all(each["ready"] for each in counting), status


def _has_what_is_shown(name: str, shown: list[Object], shares: int) -> None:
    resources = next(each["resources"] for each in shown if each["name"] == name)
    requests = resources.get("requests") or {}
    assert shares == cpu_shares(Quantity.of(requests.get("cpu", "0")).milli_value), f"{name} has {shares}, it shows {resources}"
