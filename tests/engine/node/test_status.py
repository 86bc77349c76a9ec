from pilothouse.engine.node.pod.state import PodState, Tracked, Waiting
from pilothouse.engine.node.status.pod import build, decided_phase, duration, phase
from pilothouse.engine.node.status.writer import changes
from pilothouse.model.json import Object
from tests.engine.node.builders import NOW, exited, pod, running, spec, state, tracked


def built(wanted: Object, known: PodState, now: float = NOW) -> Object:
    return build(wanted, known, now, ("192.0.2.1",), 1)


def condition(status: Object, type: str) -> Object:
    return next(each for each in status["conditions"] if each["type"] == type)


def test_a_pod_that_has_just_come_is_pending_and_creating() -> None:
    status = built(pod(), PodState())
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert [each["type"] for each in status["conditions"]] == ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"]
    assert "podIP" not in status


def test_a_pod_with_init_containers_is_initializing() -> None:
    status = built(pod(initContainers=[spec("i")]), state(tracked(running("i"))))
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert condition(status, "Initialized")["message"] == "containers with incomplete status: [i]"


def test_a_running_pod_is_ready_with_its_address() -> None:
    status = built(pod(), state(tracked(running())))
    assert (status["phase"], status["podIP"], status["hostIP"]) == ("Running", "10.0.0.1", "192.0.2.1")
    assert condition(status, "Ready")["status"] == "True"
    assert status["containerStatuses"][0]["started"]


def test_a_container_that_is_not_ready_is_named() -> None:
    status = built(pod(), state(tracked(running(), ready=False)))
    assert condition(status, "ContainersReady")["message"] == "containers with unready status: [main]"


def test_a_readiness_gate_is_waited_for() -> None:
    status = built(pod(readinessGates=[{"conditionType": "gate"}]), state(tracked(running())))
    assert condition(status, "ContainersReady")["status"] == "True"
    assert condition(status, "Ready")["reason"] == "ReadinessGatesNotReady"


def test_phases_follow_the_restart_policy() -> None:
    for policy, code, expected in (
        ("Never", 0, "Succeeded"),
        ("Never", 1, "Failed"),
        ("OnFailure", 0, "Succeeded"),
        ("OnFailure", 1, "Running"),
        ("Always", 0, "Running"),
    ):
        assert phase(pod(restartPolicy=policy), state(tracked(exited(code=code)))) == expected, (policy, code)


def test_a_sidecar_does_not_keep_a_pod_from_succeeding() -> None:
    wanted = pod(initContainers=[spec("side", restartPolicy="Always")], restartPolicy="Never")
    assert decided_phase(wanted, state(tracked(running("side")), tracked(exited()))) == "Succeeded"


def test_no_pod_has_ended_while_a_container_of_it_runs() -> None:
    wanted = pod(initContainers=[spec("side", restartPolicy="Always")], restartPolicy="Never")
    assert phase(wanted, state(tracked(running("side")), tracked(exited()))) == "Running"
    assert phase(wanted, state(tracked(exited("side")), tracked(exited()))) == "Succeeded"
    failing = state(tracked(running()), failure=Waiting("DeadlineExceeded", "too long"))
    status = built(pod(), failing)
    assert (status["phase"], "reason" in status, condition(status, "Ready")["reason"]) == ("Running", False, "PodFailed")


def test_a_container_that_is_redone_is_shown_as_coming_with_its_end_behind_it() -> None:
    status = built(pod(restartPolicy="Never"), state(tracked(exited(code=143), redo=True)))
    shown = status["containerStatuses"][0]
    assert (status["phase"], shown["state"]) == ("Running", {"waiting": {"reason": "ContainerCreating"}})
    assert shown["lastState"]["terminated"]["exitCode"] == 143


def test_a_deleted_pod_ends_in_a_final_phase_whatever_its_policy() -> None:
    assert phase(pod(), state(tracked(exited()), terminating=True)) == "Succeeded"
    assert phase(pod(), state(tracked(exited(code=137)), terminating=True)) == "Failed"
    assert phase(pod(), state(tracked(running()), terminating=True)) == "Running"


def test_a_crash_loop_shows_its_back_off_and_its_last_end() -> None:
    crashed = tracked(exited(code=1, attempt=3), crash_s=40.0)
    status = built(pod(), state(crashed))["containerStatuses"][0]
    waiting = status["state"]["waiting"]
    assert (waiting["reason"], waiting["message"]) == ("CrashLoopBackOff", "back-off 40s restarting failed container=main pod=p_ns(u1)")
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert status["restartCount"] == 3


def test_a_failed_pull_becomes_a_back_off_after_a_moment() -> None:
    failed = Tracked("main")
    failed.fails(Waiting("ErrImagePull", "not found"), NOW, 10)
    assert built(pod(), state(failed))["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImagePull"
    later = built(pod(), state(failed), NOW + 2)["containerStatuses"][0]["state"]["waiting"]
    assert later == {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "img:1": ErrImagePull: not found'}


def test_the_time_of_a_condition_changes_only_with_its_status() -> None:
    first = built(pod(), state(tracked(running())))
    again = built(pod() | {"status": first}, state(tracked(running())), NOW + 100)
    assert first["conditions"] == again["conditions"]
    unready = built(pod() | {"status": first}, state(tracked(running(), ready=False)), NOW + 100)
    assert condition(unready, "Ready")["lastTransitionTime"] != condition(first, "Ready")["lastTransitionTime"]


def test_durations_read_as_upstream_prints_them() -> None:
    assert [duration(seconds) for seconds in (10, 80, 300)] == ["10s", "1m20s", "5m0s"]


def test_a_patch_holds_only_what_differs_and_unsays_what_is_gone() -> None:
    patch = changes({"phase": "Running", "podIPs": [{"ip": "a"}]}, {"phase": "Running", "reason": "x"})
    assert patch == {"podIPs": [{"$patch": "replace"}, {"ip": "a"}], "reason": None}


def test_what_an_earlier_agent_wrote_is_taken_back_where_it_does_not_hold_any_more() -> None:
    shown = {"status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "reason": "Old"}}
    patch = changes({"phase": "Pending"}, None, shown)
    assert patch == {"phase": "Pending", "podIP": None, "podIPs": None, "reason": None}
