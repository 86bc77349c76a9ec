from pilothouse.engine.node.adoption import adopt, lose_sandbox
from pilothouse.engine.node.plan import Discard, DropSandbox, Fail, Finish, Kill, MakeSandbox, MountVolumes, Start, plan
from pilothouse.engine.node.podstate import PodState, Tracked, Waiting
from pilothouse.engine.node.runtime import CREATED, Container
from tests.engine.node.builders import NOW, box, exited, pod, running, spec, state, tracked


def test_a_new_pod_begins_with_its_sandbox() -> None:
    assert plan(pod(), PodState(), NOW).steps == [MakeSandbox(0)]


def test_a_dead_sandbox_is_dropped_before_another_is_made() -> None:
    assert plan(pod(), state(sandbox=box(ready=False, attempt=2)), NOW).steps == [DropSandbox("box2")]


def test_a_sandbox_that_failed_is_tried_again_at_its_time() -> None:
    waiting = PodState(sandbox_retry_at=NOW + 5)
    assert plan(pod(), waiting, NOW).steps == []
    assert plan(pod(), waiting, NOW).wake_at == NOW + 5


def test_containers_wait_for_volumes() -> None:
    unmounted = state()
    unmounted.volumes_ready = False
    assert plan(pod(), unmounted, NOW).steps == [MountVolumes()]


def test_containers_start_in_their_order() -> None:
    assert plan(pod(spec("a"), spec("b")), state(), NOW).steps == [Start("a", 0), Start("b", 0)]


def test_a_post_start_hook_holds_back_the_containers_after_it() -> None:
    hooking = tracked(running("a"), hooked=False)
    assert plan(pod(spec("a"), spec("b")), state(hooking), NOW).steps == []


def test_init_containers_go_one_by_one() -> None:
    wanted = pod(spec("c"), initContainers=[spec("a"), spec("b")])
    assert plan(wanted, state(), NOW).steps == [Start("a", 0)]
    assert plan(wanted, state(tracked(running("a"))), NOW).steps == []
    assert plan(wanted, state(tracked(exited("a"))), NOW).steps == [Start("b", 0)]
    assert plan(wanted, state(tracked(exited("a")), tracked(exited("b"))), NOW).steps == [Start("c", 0)]


def test_a_sidecar_has_to_have_started_before_the_next_begins() -> None:
    wanted = pod(spec("c"), initContainers=[spec("side", restartPolicy="Always")])
    assert plan(wanted, state(tracked(running("side"), started=False)), NOW).steps == []
    assert plan(wanted, state(tracked(running("side"))), NOW).steps == [Start("c", 0)]


def test_a_sidecar_that_ends_is_started_again() -> None:
    wanted = pod(spec("c"), initContainers=[spec("side", restartPolicy="Always")], restartPolicy="Never")
    assert plan(wanted, state(tracked(exited("side")), tracked(running("c"))), NOW).steps == [Start("side", 1)]


def test_a_container_that_ended_is_restarted_as_its_policy_says() -> None:
    for policy, code, expected in (("Always", 0, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)):
        steps = plan(
            pod(spec(), spec("other"), restartPolicy=policy), state(tracked(exited(code=code)), tracked(running("other"))), NOW
        ).steps
        assert (steps == [Start("main", 1)]) is expected, (policy, code)


def test_a_crash_loop_waits_for_its_back_off() -> None:
    crashed = state(tracked(exited(code=1, attempt=1), crash_s=10.0))
    waiting = plan(pod(), crashed, NOW + 3)
    assert (waiting.steps, waiting.wake_at) == ([], NOW + 10)
    assert plan(pod(), crashed, NOW + 10).steps == [Start("main", 2)]


def test_the_back_off_doubles_up_to_five_minutes_and_a_long_run_ends_it() -> None:
    crashing = Tracked("main", latest=exited(code=1))
    delays = []
    for attempt in range(1, 9):
        crashing.begins(running(attempt=attempt))
        crashing.latest = exited(code=1, attempt=attempt)
        delays.append(crashing.delay_s)
    assert delays == [10, 20, 40, 80, 160, 300, 300, 300]
    crashing.latest = Container("x", "box0", "u1", "main", 9, "exited", NOW, started_at=NOW - 700, finished_at=NOW)
    assert crashing.delay_s == 0


def test_nothing_is_started_while_something_is_under_way() -> None:
    assert plan(pod(), state(Tracked("main", busy=True)), NOW).steps == []


def test_a_container_that_was_made_but_never_started_is_discarded() -> None:
    made = Tracked("main", latest=Container("id", "box0", "u1", "main", 0, CREATED, NOW))
    assert plan(pod(), state(made), NOW).steps == [Discard("main", "id")]


def test_a_condemned_container_is_killed() -> None:
    assert plan(pod(), state(tracked(running(), kill="why")), NOW).steps == [Kill("main", "main-0", "why")]


def test_a_pod_that_has_run_to_its_end_is_finished_once() -> None:
    done = state(tracked(exited()))
    assert plan(pod(restartPolicy="Never"), done, NOW).steps == [Finish()]
    done.finished = True
    assert plan(pod(restartPolicy="Never"), done, NOW).steps == []


def test_the_deadline_fails_the_pod() -> None:
    wanted = pod(activeDeadlineSeconds=60)
    assert plan(wanted, state(tracked(running())), NOW + 59).wake_at == NOW + 60
    assert isinstance(plan(wanted, state(tracked(running())), NOW + 60).steps[0], Fail)
    failed = state(tracked(running()), failure=Waiting("DeadlineExceeded"))
    assert plan(wanted, failed, NOW + 61).steps == [Finish()]


def test_a_lost_sandbox_takes_its_containers_with_it_but_not_their_counts() -> None:
    lost = state(tracked(running(attempt=2)))
    assert lose_sandbox(pod(), lost, NOW)
    main = lost.containers["main"]
    assert (main.latest, main.next_attempt) == (None, 3)
    assert main.previous is not None
    assert (main.previous.exit_code, main.previous.reason) == (137, "ContainerStatusUnknown")


def test_a_pod_that_never_restarts_ends_with_its_sandbox() -> None:
    lost = state(tracked(running()), sandbox=box(ready=False))
    wanted = pod(restartPolicy="Never")
    assert not lose_sandbox(wanted, lost, NOW)
    assert plan(wanted, lost, NOW).steps == [Finish()]


def test_what_has_succeeded_for_good_is_not_run_again_in_a_new_sandbox() -> None:
    lost = state(tracked(exited("a")), tracked(running("b")))
    assert lose_sandbox(pod(spec("a"), spec("b"), restartPolicy="OnFailure"), lost, NOW)
    assert lost.containers["a"].succeeded
    assert lost.containers["b"].latest is None


def test_an_adopted_container_keeps_what_its_probes_have_said() -> None:
    known = pod() | {
        "status": {"containerStatuses": [{"name": "main", "containerID": "containerd://main-1", "started": True, "ready": True}]}
    }
    taken = PodState()
    adopt(known, taken, [box()], [running(attempt=1), exited(code=1)])
    main = taken.containers["main"]
    assert main.latest is not None
    assert main.previous is not None
    assert (main.latest.id, main.previous.id, main.running, main.ready, main.delay_s) == ("main-1", "main-0", True, True, 10)
