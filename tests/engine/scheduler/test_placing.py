"""From a decision to a bound pod, and back when that fails."""

import pytest

from pilothouse.engine.scheduler.framework.plugin import Refusal
from pilothouse.engine.scheduler.framework.profile import Profile
from pilothouse.engine.scheduler.placing import Placing
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.model.errors import ApiError, NotFound, Unavailable
from tests.engine.scheduler.objects import World, node, pod


class Recording:
    """Takes part everywhere. refuses: at which point; fails: with what binding ends."""

    name = "Recording"

    def __init__(self, refuses: str = "", fails: ApiError | None = None) -> None:
        self.calls: list[str] = []
        self._refuses = refuses
        self._fails = fails

    def reserve(self, pod: PodInfo, node: str) -> Refusal | None:
        return self._call("reserve")

    def unreserve(self, pod: PodInfo, node: str) -> None:
        self._call("unreserve")

    async def permit(self, pod: PodInfo, node: str) -> Refusal | None:
        return self._call("permit")

    async def pre_bind(self, pod: PodInfo, node: str) -> Refusal | None:
        return self._call("pre_bind")

    async def bind(self, pod: PodInfo, node: str) -> None:
        self._call("bind")
        if self._fails is not None:
            raise self._fails

    def _call(self, point: str) -> Refusal | None:
        self.calls.append(point)
        return Refusal(self.name, (f"no {point}",)) if point == self._refuses else None


async def place(plugin: Recording, known: World) -> Refusal | None:
    return await Placing(Profile.of([plugin], {}), known.snapshot).place(known.snapshot.info(pod(cpu="1")), "n")


async def test_a_pod_counts_on_its_node_from_the_decision_on() -> None:
    known, plugin = World(node("n")), Recording()
    assert await place(plugin, known) is None
    assert plugin.calls == ["reserve", "permit", "pre_bind", "bind"]
    assert known.snapshot.nodes["n"].used["cpu"] == 1000


@pytest.mark.parametrize("point", ["reserve", "permit", "pre_bind"])
async def test_whoever_refuses_ends_it_and_all_is_given_back(point: str) -> None:
    known, plugin = World(node("n")), Recording(point)
    refusal = await place(plugin, known)
    assert refusal is not None
    assert refusal.reasons == (f"no {point}",)
    assert plugin.calls[-2:] == [point, "unreserve"]
    assert known.snapshot.nodes["n"].used["cpu"] == 0


async def test_a_binding_that_fails_is_undone_and_a_pod_that_has_gone_is_no_failure() -> None:
    known = World(node("n"))
    known.snapshot.nominate(known.snapshot.info(pod(cpu="1")), "n")
    with pytest.raises(Unavailable):
        await place(Recording(fails=Unavailable("away")), known)
    assert known.snapshot.nominated_node("ns/p") == "n"
    assert await place(Recording(fails=NotFound("gone")), known) is None
    assert known.snapshot.nodes["n"].used["cpu"] == 0
