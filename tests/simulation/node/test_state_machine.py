"""The agent under everything at once, as a state machine of hypothesis; `PILOTHOUSE_STEPS` says how many steps it takes in all."""

import asyncio
import os
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from structlog.testing import capture_logs

from pilothouse.client.transport import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from pilothouse.engine.node.runtime.seam import ExecResult
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, PODS
from tests.simulation.node.promises import Promises
from tests.simulation.node.wires import Trouble
from tests.simulation.node.world import NODE, Clock, World
from tests.simulation.strategies import IMAGES, NUMBER, PROGRAMS, SECONDS, pod_specs
from tests.simulation.virtual import in_place, new_loop

STEPS = int(os.environ.get("PILOTHOUSE_STEPS", "200"))
STEPS_A_LIFE = 50
BEGAN = 1_780_000_000.0
MOST_PODS, MOST_RESTS = 4, 2
SETTLE_S, QUIET_S = 420.0, 60.0

DELAYS = st.sampled_from([0.0, 0.001, 0.003, 0.006, 0.012, 0.05, 0.2, 1.0, 7.0, 40.0])
CODES = st.sampled_from(["UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN", "NOT_FOUND", "RESOURCE_EXHAUSTED", "INTERNAL"])
TIMES = st.sampled_from([1, 1, 2, 5, None])
AFTER_S = st.sampled_from([0.0, 0.0, 0.01, 1.0, 20.0])
RUNTIME_VERBS = st.sampled_from(
    ["", "run_sandbox", "stop_sandbox", "remove_sandbox", "sandbox", "sandboxes", "create_container", "start_container", "stop_container",
     "remove_container", "update_container", "container", "containers", "image", "pull", "exec_sync", "readiness", "events"]
)  # fmt: skip
API_VERBS = st.sampled_from(["", "GET", "POST", "PATCH", "DELETE", "WATCH"])
POD_SPECS = pod_specs(("Always", "OnFailure", "Never"))


class Machine(RuleBasedStateMachine):
    state: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.loop = new_loop()
        self.clock = Clock(self.loop, BEGAN)
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(time, "time", self.clock)
        patch.setattr(asyncio, "to_thread", in_place)
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        logs = self._stack.enter_context(capture_logs())
        self.names = self.rests = 0
        self.world, self.life = self._do(self._opened(folder))
        self.promises = Promises(self.world, logs)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _opened(self, folder: Path) -> tuple[World, "asyncio.Task[None]"]:
        world, ready = World(folder / "node", self.state), asyncio.Event()
        world.runtime.programs.update(PROGRAMS)
        world.runtime.holds(*(each for each in PROGRAMS if each != "oom:1"))
        world.runtime.remote.add("oom:1")
        world.runtime.execs["false",] = ExecResult(b"", b"no", 1)
        life = asyncio.ensure_future(world.run(ready))
        await asyncio.wait([asyncio.ensure_future(ready.wait()), life], return_when=asyncio.FIRST_COMPLETED)
        return world, life

    def teardown(self) -> None:
        try:
            if not self.life.done():
                self._do(self._all_goes())
        finally:
            self.life.cancel()
            self._do(asyncio.wait([self.life]))
            self._do(self.loop.shutdown_asyncgens())
            self.loop.close()
            self._stack.close()
        if not self.life.cancelled() and (error := self.life.exception()) is not None:
            raise error

    async def _all_goes(self) -> None:
        """What users delete leaves nothing behind."""
        await self._rests()
        for each in await self._pods():
            await self._delete(each, None)
        await asyncio.sleep(SETTLE_S)
        assert not await self._pods()
        await self.promises.hold_in_peace()

    async def _rests(self) -> None:
        await self.world.calm()
        await asyncio.sleep(SETTLE_S)
        calls, revision = len(self.world.runtime.calls), self.world.store.revision
        await asyncio.sleep(QUIET_S)
        assert len(self.world.runtime.calls) - calls < QUIET_S * 40
        assert self.world.store.revision - revision < QUIET_S * 3
        await self.promises.hold_in_peace()

    # What users do.

    async def _pods(self) -> list[Object]:
        return (await self.world.client.list(PODS, "default")).items

    async def _on_pod(self, number: int, do: Any) -> None:
        pods = await self._pods()
        if pods:
            try:
                await do(pods[number % len(pods)])
            except ApiError as error:
                if error.code >= 500:
                    raise

    @initialize(spec=POD_SPECS)
    def first_pod(self, spec: Object) -> None:
        self._do(self._create(spec))

    @rule(spec=POD_SPECS, then_s=DELAYS)
    def create(self, spec: Object, then_s: float) -> None:
        self._do(self._create(spec))
        self._wait(then_s)

    async def _create(self, spec: Object) -> None:
        if len(await self._pods()) >= MOST_PODS:
            return
        self.names += 1
        first, *others = spec["containers"]
        resizable = [first | {"resources": {"requests": {"cpu": "100m"}}}, *others]
        wanted = {"metadata": {"name": f"p{self.names}"}, "spec": spec | {"nodeName": NODE, "containers": resizable}}
        await self.world.client.create(PODS, wanted, "default")

    @rule(number=NUMBER, grace_s=st.none() | SECONDS, then_s=DELAYS)
    def delete(self, number: int, grace_s: int | None, then_s: float) -> None:
        self._do(self._on_pod(number, lambda pod: self._delete(pod, grace_s)))
        self._wait(then_s)

    async def _delete(self, pod: Object, grace_s: int | None) -> None:
        given = pod["spec"]["terminationGracePeriodSeconds"] if grace_s is None else grace_s
        self.promises.deleted(meta.uid(pod), given)
        await self.world.client.delete(PODS, meta.name(pod), "default", grace_s=grace_s)

    @rule(number=NUMBER, image=IMAGES, then_s=DELAYS)
    def change_image(self, number: int, image: str, then_s: float) -> None:
        change = [{"op": "replace", "path": "/spec/containers/0/image", "value": image}]
        self._do(self._on_pod(number, lambda pod: self._patch(pod, change, JSON_PATCH)))
        self._wait(then_s)

    @rule(number=NUMBER, cpu=st.sampled_from(["50m", "200m", "900m", "4000"]), then_s=DELAYS)
    def resize(self, number: int, cpu: str, then_s: float) -> None:
        change = [{"op": "replace", "path": "/spec/containers/0/resources/requests/cpu", "value": cpu}]
        self._do(self._on_pod(number, lambda pod: self._patch(pod, change, JSON_PATCH, "resize")))
        self._wait(then_s)

    @rule(number=NUMBER, value=st.sampled_from("ab"), then_s=DELAYS)
    def relabel(self, number: int, value: str, then_s: float) -> None:
        change = {"metadata": {"labels": {"kind": value}}}
        self._do(self._on_pod(number, lambda pod: self._patch(pod, change, MERGE_PATCH)))
        self._wait(then_s)

    @rule(number=NUMBER, then_s=DELAYS)
    def somebody_else_writes_its_status(self, number: int, then_s: float) -> None:
        change = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeNotReady"}]}}
        self._do(self._on_pod(number, lambda pod: self._patch(pod, change, STRATEGIC_PATCH, "status")))
        self._wait(then_s)

    async def _patch(self, pod: Object, change: Any, kind: str, subresource: str = "") -> None:
        await self.world.client.patch(PODS, meta.name(pod), change, namespace="default", type=kind, subresource=subresource)

    @rule(data=st.none() | st.sampled_from("xy"), then_s=DELAYS)
    def change_configmap(self, data: str | None, then_s: float) -> None:
        self._do(self._change_configmap(data))
        self._wait(then_s)

    async def _change_configmap(self, data: str | None) -> None:
        client = self.world.client
        known = await client.get_or_none(CONFIGMAPS, "conf", "default")
        if data is None and known is not None:
            await client.delete(CONFIGMAPS, "conf", "default")
        elif data is not None and known is None:
            await client.create(CONFIGMAPS, {"metadata": {"name": "conf", "namespace": "default"}, "data": {"a": data}})
        elif data is not None:
            await client.patch(CONFIGMAPS, "conf", {"data": {"a": data}}, namespace="default", type=MERGE_PATCH)

    # What happens in the runtime and on the machine.

    @rule(number=NUMBER, code=st.sampled_from([0, 1, 137]), silently=st.booleans(), then_s=DELAYS)
    def container_ends(self, number: int, code: int, silently: bool, then_s: float) -> None:
        runtime = self.world.runtime
        self._on_id([each.id for each in runtime.running()], number, lambda id: runtime.exit(id, code, silently=silently))
        self._wait(then_s)

    @rule(number=NUMBER, silently=st.booleans(), then_s=DELAYS)
    def sandbox_dies(self, number: int, silently: bool, then_s: float) -> None:
        self._on_id(list(self.world.runtime.boxes), number, lambda id: self.world.runtime.crash_sandbox(id, silently=silently))
        self._wait(then_s)

    @rule(number=NUMBER, silently=st.booleans(), then_s=DELAYS)
    def containers_outlive_their_sandbox(self, number: int, silently: bool, then_s: float) -> None:
        self._on_id(list(self.world.runtime.boxes), number, lambda id: self.world.runtime.crash_pause(id, silently=silently))
        self._wait(then_s)

    @rule(number=NUMBER, then_s=DELAYS)
    def container_or_sandbox_is_lost(self, number: int, then_s: float) -> None:
        self._on_id([*self.world.runtime.inside, *self.world.runtime.boxes], number, self.world.runtime.lose)
        self._wait(then_s)

    def _on_id(self, ids: list[str], number: int, do: Any) -> None:
        async def done() -> None:
            if ids:
                do(ids[number % len(ids)])

        self._do(done())

    @rule(then_s=DELAYS)
    def events_break_off(self, then_s: float) -> None:
        self.world.runtime.break_events()
        self._wait(then_s)

    @rule(verb=RUNTIME_VERBS, code=CODES, after_s=AFTER_S, is_late=st.booleans(), times=TIMES, then_s=DELAYS)
    def runtime_fails(self, verb: str, code: str, after_s: float, is_late: bool, times: int | None, then_s: float) -> None:
        self.world.runtime_troubles.by_verb[verb] = Trouble(code, after_s, is_late, times)
        self._wait(then_s)

    @rule(lag_s=st.sampled_from([0.0, 0.02, 1.0, 15.0]), then_s=DELAYS)
    def api_is_slow(self, lag_s: float, then_s: float) -> None:
        self.world.api_troubles.lag_s = lag_s
        self._wait(then_s)

    @rule(verb=API_VERBS, after_s=AFTER_S, is_late=st.booleans(), times=TIMES, then_s=DELAYS)
    def api_fails(self, verb: str, after_s: float, is_late: bool, times: int | None, then_s: float) -> None:
        self.world.api_troubles.by_verb[verb] = Trouble("UNAVAILABLE", after_s, is_late and verb != "WATCH", times)
        self._wait(then_s)

    @rule(then_s=DELAYS)
    def revisions_are_compacted(self, then_s: float) -> None:
        self.world.api_troubles.by_verb["WATCH"] = Trouble("EXPIRED", times=2)
        self._do(self._break_watches())
        self._wait(then_s)

    @rule(then_s=DELAYS)
    def watches_break(self, then_s: float) -> None:
        self._do(self._break_watches())
        self._wait(then_s)

    async def _break_watches(self) -> None:
        if self.world.life is not None:
            self.world.life.api.break_watches()

    @rule(then_s=DELAYS)
    def all_is_mended(self, then_s: float) -> None:
        self._do(self.world.calm())
        self._wait(then_s)

    @precondition(lambda self: self.world.life is not None)
    @rule(goes_on=st.booleans(), turns=st.integers(0, 12), then_s=DELAYS)
    def agent_is_killed(self, goes_on: bool, turns: int, then_s: float) -> None:
        self._do(self._kill(goes_on, turns))
        self._wait(then_s)

    async def _kill(self, goes_on: bool, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await self.world.kill_agent(goes_on=goes_on)

    @precondition(lambda self: self.world.life is None)
    @rule(then_s=DELAYS)
    def agent_is_started(self, then_s: float) -> None:
        self._do(self._start())
        self._wait(then_s)

    async def _start(self) -> None:
        self.world.start_agent()

    @rule(then_s=DELAYS)
    def machine_restarts(self, then_s: float) -> None:
        self._do(self.world.restart_machine())
        self._wait(then_s)

    @rule(seconds=st.sampled_from([-86400.0, -30.0, 30.0, 86400.0]), then_s=DELAYS)
    def clock_is_set(self, seconds: float, then_s: float) -> None:
        self.clock.jump(seconds)
        self._wait(then_s)

    @rule(seconds=DELAYS)
    def time_passes(self, seconds: float) -> None:
        self._wait(seconds)

    @precondition(lambda self: self.rests < MOST_RESTS)
    @rule()
    def all_comes_to_rest(self) -> None:
        self.rests += 1
        self._do(self._rests())

    def _wait(self, seconds: float) -> None:
        if seconds:
            self._do(asyncio.sleep(seconds))

    @invariant()
    def promises_hold(self) -> None:
        async def looked() -> None:
            assert not self.life.done(), "the world has ended"
            self.promises.hold()

        self._do(looked())


@pytest.mark.timeout(60 + STEPS)
def test_the_agent_keeps_its_promises(state: Path) -> None:
    class Here(Machine):
        pass

    Here.state = state
    run_state_machine_as_test(
        Here,
        settings=settings(
            deadline=None,
            # Many a life is shorter than it may be: a third of the steps.
            max_examples=max(1, STEPS * 3 // (STEPS_A_LIFE * 2)),
            stateful_step_count=STEPS_A_LIFE,
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
