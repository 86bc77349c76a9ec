"""Which containers run again after their end, by their own policy and rules, and what restarts a whole pod."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.pod.restarts import begin_again, leave_behind, restarts
from pilothouse.engine.node.pod.state import PodState, Tracked
from pilothouse.engine.node.pod.steps import Finish, Kill, RestartAll, Start
from pilothouse.engine.node.runtime.seam import Container
from pilothouse.engine.node.status.pod import build, phase
from pilothouse.engine.node.work.adoption import adopt, lose_sandbox
from pilothouse.engine.node.work.context import Handle
from pilothouse.engine.node.work.plan import plan
from pilothouse.engine.node.work.restarting import Restarting
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.node.builders import NOW, box, exited, pod, running, spec, state, tracked


def rule(action: str, *codes: int, operator: str = "In") -> Object:
    return {"action": action, "exitCodes": {"operator": operator, "values": list(codes)}}


def ruled(*rules: Object, name: str = "main", policy: str = "Never") -> Object:
    return spec(name, restartPolicy=policy, restartPolicyRules=list(rules))


ALL = ruled(rule("RestartAllContainers", 42), name="a")


@pytest.mark.parametrize(
    ("of_pod", "own", "code", "again"),
    [
        ("Never", {}, 1, False),
        ("Never", {"restartPolicy": "Always"}, 0, True),
        ("Never", {"restartPolicy": "OnFailure"}, 0, False),
        ("Never", {"restartPolicy": "OnFailure"}, 1, True),
        ("Always", {"restartPolicy": "Never"}, 1, False),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", 42)]}, 42, True),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", 42)]}, 41, False),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", 42, operator="NotIn")]}, 41, True),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", 42, operator="NotIn")]}, 42, False),
    ],
)
def test_a_containers_rules_come_before_its_policy_and_that_before_the_pods(of_pod: str, own: Object, code: int, again: bool) -> None:
    wanted = spec(**own)
    found = tracked(exited(code=code))
    whole = pod(wanted, restartPolicy=of_pod)
    assert restarts(whole, wanted, found) is again
    assert plan(whole, state(found), NOW).steps == ([Start("main", 1)] if again else [Finish()])
    ended = "Succeeded" if code == 0 else "Failed"
    assert phase(whole, state(found)) == ("Running" if again else ended)


def test_an_init_container_that_has_succeeded_is_done_whatever_its_rules_say() -> None:
    init = ruled(rule("Restart", 0, 1), name="i")
    whole = pod(initContainers=[init], restartPolicy="Never")
    assert plan(whole, state(tracked(exited("i"))), NOW).steps == [Start("main", 0)]
    assert plan(whole, state(tracked(exited("i", 1))), NOW).steps == [Start("i", 1)]
    assert phase(whole, state(tracked(exited("i", 1)))) == "Pending"
    assert phase(whole, state(tracked(exited("i", 2)))) == "Failed"


def test_a_pod_goes_on_as_long_as_one_of_its_containers_does() -> None:
    whole = pod(spec("a", restartPolicy="Never"), spec("b"))
    assert phase(whole, state(tracked(exited("a", 1)), tracked(running("b")))) == "Running"


def test_an_exit_that_restarts_all_ends_the_others_first_and_runs_no_hooks() -> None:
    whole = pod(ALL, spec("b"), restartPolicy="Never")
    found = state(tracked(exited("a", 42)), tracked(running("b")))
    why = "Container a has ended, all containers will be restarted"
    assert plan(whole, found, NOW).steps == [Kill("b", "b-0", why, redo=True, hooks=False)]
    found.of(spec("b")).busy = True
    assert plan(whole, found, NOW).steps == []


def test_all_begin_anew_with_the_init_containers_in_the_same_sandbox() -> None:
    whole = pod(ALL, spec("b"), initContainers=[spec("i")], restartPolicy="Never")
    found = state(tracked(exited("i")), tracked(exited("a", 42)), tracked(exited("b", 143)))
    assert plan(whole, found, NOW).steps == [RestartAll("a-0")]
    begin_again(whole, found)
    assert plan(whole, found, NOW).steps == [Start("i", 1)]
    assert phase(whole, found) == "Pending"
    assert found.sandbox == box()


def test_a_pod_that_restarts_all_the_time_is_slowed_down() -> None:
    whole = pod(ALL, restartPolicy="Never")
    found = state(tracked(exited("a", 42)))
    begin_again(whole, found)
    a = found.of(ALL)
    a.latest = exited("a", 42, attempt=1)
    assert (plan(whole, found, NOW).steps, plan(whole, found, NOW).wake_at) == ([], NOW + 10)
    assert plan(whole, found, NOW + 10).steps == [RestartAll("a-1")]
    begin_again(whole, found)
    a.latest = exited("a", 42, attempt=2)
    assert plan(whole, found, NOW).wake_at == NOW + 20


def test_the_status_says_that_all_containers_are_restarting() -> None:
    whole = pod(ALL, spec("b"), restartPolicy="Never")

    def says(*containers: Tracked) -> bool:
        return meta.is_true({"status": build(whole, state(*containers), NOW, (), 1)}, "AllContainersRestarting")

    assert says(tracked(exited("a", 42)), tracked(running("b")))
    assert not says(tracked(running("a")), tracked(running("b")))


def made(container: Container, at: float, **more: Any) -> Container:
    return replace(container, created_at=at, **more)


def test_after_a_takeover_a_restart_that_has_begun_is_not_begun_again() -> None:
    whole = pod(ALL, initContainers=[spec("i")], restartPolicy="Never")
    before = [made(exited("i"), NOW - 10), made(exited("a", 42), NOW - 9, finished_at=NOW - 5)]
    found = PodState(volumes_ready=True, started_at=NOW)
    adopt(whole, found, [box()], [*before, made(running("i", attempt=1), NOW)])
    leave_behind(whole, found, {"i-0", "a-0"}, "a-0")
    assert plan(whole, found, NOW).steps == []
    found.of(spec("i")).latest = exited("i", attempt=1)
    assert plan(whole, found, NOW).steps == [Start("a", 1)]


def test_after_a_takeover_a_restart_that_has_not_begun_is_due() -> None:
    whole = pod(ALL, spec("b"), restartPolicy="Never")
    found = PodState(volumes_ready=True, started_at=NOW)
    adopt(whole, found, [box()], [made(exited("a", 42), NOW - 9), made(running("b"), NOW - 9)])
    assert [type(step) for step in plan(whole, found, NOW).steps] == [Kill]


def test_an_ephemeral_container_goes_with_the_others_and_does_not_come_back() -> None:
    whole = pod(ALL, spec("b"), restartPolicy="Never", ephemeralContainers=[spec("debug")])
    found = state(tracked(exited("a", 42)), tracked(running("b")), tracked(running("debug")))
    kills = [(step.name, step.redo) for step in plan(whole, found, NOW).steps if isinstance(step, Kill)]
    assert kills == [("b", True), ("debug", False)]
    for name in ("b", "debug"):
        found.of(spec(name)).latest = exited(name, 143)
    begin_again(whole, found)
    assert plan(whole, found, NOW).steps == [Start("a", 1), Start("b", 1)]


def test_an_ephemeral_container_that_came_meanwhile_is_no_sign_of_a_restart() -> None:
    whole = pod(ALL, spec("b"), restartPolicy="Never", ephemeralContainers=[spec("debug")])
    before = [made(exited("a", 42), NOW - 9, finished_at=NOW - 5), made(running("b"), NOW - 9)]
    found = PodState(volumes_ready=True, started_at=NOW)
    adopt(whole, found, [box()], [*before, made(running("debug"), NOW)])
    leave_behind(whole, found, set(), "")
    kills = [step.name for step in plan(whole, found, NOW).steps if isinstance(step, Kill)]
    assert kills == ["b", "debug"]


def test_a_lost_sandbox_is_made_again_for_containers_that_restart_by_themselves() -> None:
    whole = pod(spec("a", restartPolicy="Always"), spec("b"), restartPolicy="Never")
    found = state(tracked(running("a")), tracked(exited("b")), sandbox=box(ready=False))
    assert lose_sandbox(whole, found, NOW)
    assert found.of(spec("a")).latest is None
    assert found.of(spec("b")).latest is not None


@dataclass
class Kept:
    """As much of a pod's handle as keeps what was decided."""

    state: PodState
    config: NodeConfig
    uid: str = "u"

    @property
    def context(self) -> "Kept":
        return self

    @property
    def object(self) -> Object:
        return pod(spec("a"), spec("b"))


async def test_what_was_cut_at_an_earlier_try_is_known_after_a_takeover(tmp_path: Path) -> None:
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test")
    found = state(tracked(running("a")), tracked(running("b")))
    restarting = Restarting(cast("Handle", Kept(found, config)))
    await restarting.will_cut()
    found.of(spec("a")).latest = exited("a")
    # The runtime has refused to end the other.
    await restarting.will_cut()
    taken_over = state(tracked(exited("a")), tracked(running("b")))
    await Restarting(cast("Handle", Kept(taken_over, config))).recall()
    assert not taken_over.of(spec("a")).succeeded
