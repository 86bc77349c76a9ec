from pilothouse.engine.node.pod.state import PodState, Tracked, Waiting
from pilothouse.engine.node.pod.steps import (
    Discard,
    DropSandbox,
    Fail,
    Finish,
    Kill,
    MakeSandbox,
    MountVolumes,
    RefreshVolumes,
    Start,
)
from pilothouse.engine.node.runtime.seam import CREATED, WANTED_IMAGE, Container
from pilothouse.engine.node.status.pod import phase
from pilothouse.engine.node.work.adoption import adopt, lose_sandbox
from pilothouse.engine.node.work.plan import plan
from tests.engine.node.builders import NOW, box, exited, pod, running, spec, state, tracked


def test_a_new_pod_begins_with_its_sandbox() -> None:
    assert plan(pod(), PodState(), NOW).steps == [MakeSandbox(0)]


def test_a_dead_sandbox_is_dropped_before_another_is_made() -> None:
    assert plan(pod(), state(sandbox=box(ready=False, attempt=2)), NOW).steps == [DropSandbox("box2")]


def test_a_step_that_failed_is_held_back_until_its_back_off_is_over() -> None:
    failing = PodState()
    pauses = []
    now = NOW
    for _ in range(8):
        pauses.append(failing.step_failed(MakeSandbox(0), now))
        held = plan(pod(), failing, now)
        assert (held.steps, held.held, held.wake_at) == ([], [MakeSandbox(0)], now + pauses[-1])
        now += pauses[-1]
        assert plan(pod(), failing, now).steps == [MakeSandbox(0)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_step_that_is_held_back_holds_back_no_other() -> None:
    failing = state(tracked(Container("id", "box0", "u1", "a", 0, CREATED, NOW)))
    failing.step_failed(Discard("a", "id"), NOW)
    assert plan(pod(spec("a"), spec("b")), failing, NOW).steps == [Start("b", 0)]


def test_failures_of_steps_that_are_not_planned_any_more_are_forgotten() -> None:
    failing = PodState()
    failing.step_failed(MakeSandbox(0), NOW)
    failing.keep_failed([MountVolumes()])
    assert failing.failed_steps == {}


def test_volumes_are_looked_at_again_when_a_token_is_due() -> None:
    due = state(tracked(running()), refresh_at=NOW + 100)
    assert (plan(pod(), due, NOW).steps, plan(pod(), due, NOW).wake_at) == ([], NOW + 100)
    assert plan(pod(), due, NOW + 100).steps == [RefreshVolumes()]


def test_a_pod_that_has_ended_needs_no_fresh_token() -> None:
    ended = state(tracked(exited()), refresh_at=NOW - 100, refresh_wanted=True, finished=True)
    found = plan(pod(restartPolicy="Never"), ended, NOW)
    assert (found.steps, found.wake_at) == ([], 0.0)


def test_volumes_that_could_not_be_made_are_made_and_not_refreshed() -> None:
    waiting = state(refresh_wanted=True)
    waiting.volumes_ready = False
    assert plan(pod(), waiting, NOW).steps == [MountVolumes()]


def of_image(image: str, name: str = "main") -> Tracked:
    made = running(name)
    made.annotations[WANTED_IMAGE] = image
    return tracked(made)


def test_a_container_whose_image_was_changed_is_killed_and_started_again_whatever_its_policy() -> None:
    wanted = pod(spec(image="img:2"), restartPolicy="Never")
    why = "Container main definition changed, will be restarted"
    assert plan(wanted, state(of_image("img:1")), NOW).steps == [Kill("main", "main-0", why, redo=True)]
    ended = state(tracked(exited(code=143), redo=True))
    assert plan(wanted, ended, NOW).steps == [Start("main", 1)]
    assert phase(wanted, ended) == "Running"


def test_a_container_that_runs_the_image_that_is_wanted_is_left_alone() -> None:
    assert plan(pod(), state(of_image("img:1")), NOW).steps == []
    assert plan(pod(spec(image="img:2")), state(tracked(running())), NOW).steps == []


def test_a_new_image_of_an_init_container_interrupts_nothing() -> None:
    wanted = pod(spec("c"), initContainers=[spec("main", image="img:2")])
    assert plan(wanted, state(of_image("img:1")), NOW).steps == []


def test_a_container_that_is_redone_has_no_back_off() -> None:
    redone = Tracked("main", latest=exited(code=137), crash_s=80.0, redo=True)
    assert redone.restart_at == 0.0
    redone.begins(running(attempt=1))
    assert (redone.crash_s, redone.redo) == (0.0, False)


def test_containers_wait_for_volumes() -> None:
    unmounted = state()
    unmounted.volumes_ready = False
    assert plan(pod(), unmounted, NOW).steps == [MountVolumes()]


def test_containers_start_in_their_order() -> None:
    assert plan(pod(spec("a"), spec("b")), state(), NOW).steps == [Start("a", 0), Start("b", 0)]


def test_a_post_start_hook_holds_back_the_containers_after_it() -> None:
    hooking = tracked(running("a"), hooked=False)
    assert plan(pod(spec("a"), spec("b")), state(hooking), NOW).steps == []
    hook = {"postStart": {"exec": {"command": ["true"]}}}
    begins = pod(spec("a"), spec("b", lifecycle=hook), spec("c"))
    assert plan(begins, state(), NOW).steps == [Start("a", 0), Start("b", 0)]
    failing = tracked(exited("b", code=1), crash_s=300.0)
    assert plan(begins, state(failing), NOW).steps == [Start("a", 0), Start("c", 0)]


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


def test_a_hook_that_may_have_been_cut_short_is_run_again_after_a_restart_of_the_agent() -> None:
    hooked = spec(lifecycle={"postStart": {"exec": {"command": ["true"]}}})
    status = {"name": "main", "containerID": "containerd://main-0", "started": True, "ready": True}
    for shown, expected in (("waiting", False), ("running", True)):
        taken = PodState()
        adopt(pod(hooked) | {"status": {"containerStatuses": [status | {"state": {shown: {}}}]}}, taken, [box()], [running()])
        assert taken.containers["main"].hooked is expected


def test_init_containers_run_again_in_a_new_sandbox_though_a_container_has_succeeded_in_the_old_one() -> None:
    wanted = pod(spec("a"), spec("b"), initContainers=[spec("init")], restartPolicy="OnFailure")
    lost = state(tracked(exited("init")), tracked(exited("a")), tracked(running("b")))
    assert lose_sandbox(wanted, lost, NOW)
    lost.sandbox = box(attempt=1)
    assert plan(wanted, lost, NOW).steps == [Start("init", 1)]


def test_what_has_ended_for_good_is_not_run_again_after_its_record_went_with_its_sandbox() -> None:
    ended = {"name": "a", "restartCount": 2, "containerID": "containerd://old", "state": {"terminated": {"exitCode": 0}}}
    failed = ended | {"name": "b", "state": {"terminated": {"exitCode": 1}}}
    known = pod(spec("a"), spec("b"), restartPolicy="OnFailure") | {"status": {"containerStatuses": [ended, failed]}}
    taken = PodState(volumes_ready=True)
    adopt(known, taken, [box()], [])
    assert plan(known, taken, NOW).steps == [Start("b", 3)]
    assert taken.containers["a"].restarts == 2
