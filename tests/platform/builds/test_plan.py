from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.platform.builds.outcome import Outcome, Prepared, write, write_prepared
from pilothouse.platform.builds.outcome import Step as Took
from pilothouse.platform.builds.plan import ATTEMPT, MOST, SLACK_S, Again, Create, Discard, Finish, Prepare, Step, Wait, next_step

DIGEST = "sha256:" + "a" * 64


def build(phase: str = "", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "shop-1"}, "spec": {"source": {}, **spec}, "status": {"phase": phase} if phase else {}}


def ended(code: int, message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "message": message}}


def pod(source: dict[str, Any] | None = None, container: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(status)
    if source is not None:
        found["initContainerStatuses"] = [{"name": "source", "state": source}]
    if container is not None:
        found["containerStatuses"] = [{"name": "build", "state": container}]
    return {"metadata": {"name": "shop-1-build"}, "status": found}


FETCHED = ended(0, write_prepared(Prepared(("python:1",))))
RUNNING: dict[str, Any] = {"running": {}}
NOW = 1_000_000.0
BUILT = Outcome("", "", DIGEST, (8000,), {"user": "10001"}, (Took("push", 0, 0.5, False),))
BROKEN = Outcome("BuildFailed", "Dockerfile line 2: RUN false failed")


def failed(reason: str, message: str) -> Finish:
    return Finish("Failed", Outcome(reason, message))


@pytest.mark.parametrize(
    ("seen", "of", "expected"),
    [
        (build(), None, Create()),
        (build("Pending"), None, Create()),
        (build("Running"), None, Again(1, "its pod was deleted while it ran")),
        (build("Succeeded"), pod(FETCHED), None),
        (build("Failed", cancelled=True), None, None),
        (build("Running", cancelled=True), pod(FETCHED, RUNNING), Finish("Cancelled", Outcome("Cancelled", "cancelled by request"))),
        (build(), pod(phase="Pending"), Wait(running=False)),
        (build(), pod(RUNNING, phase="Pending"), Wait(running=True)),
        (build("Running"), pod(FETCHED, RUNNING), Prepare(("python:1",))),
        (build("Running"), pod(ended(0, write_prepared(Prepared(()))), RUNNING), Prepare(())),
        (build("Running"), pod(ended(0, ""), RUNNING), Wait(running=True)),
        (build("Running"), pod(ended(1, "git cannot fetch main")), failed("SourceFailed", "git cannot fetch main")),
        (build("Running"), pod(ended(1)), failed("SourceFailed", "the source could not be fetched")),
        (build("Running"), pod(FETCHED, ended(0, write(BUILT))), Finish("Succeeded", BUILT)),
        (build("Running"), pod(FETCHED, ended(1, write(BROKEN))), Finish("Failed", BROKEN)),
        (
            build("Running"),
            pod(FETCHED, ended(137)),
            failed("BuildFailed", "the builder was killed: the memory ran out, or the node stopped it"),
        ),
        (
            build("Running"),
            pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
            failed("Evicted", "The node was low on resource: memory."),
        ),
    ],
)
def test_the_next_step_follows_from_the_build_and_its_pod(seen: dict[str, Any], of: dict[str, Any] | None, expected: Step | None) -> None:
    assert next_step(seen, of, prepared=False, now=NOW, timeout_s=1800) == expected


def test_a_prepared_build_waits_for_its_pod() -> None:
    assert next_step(build("Running"), pod(FETCHED, RUNNING, phase="Running"), prepared=True, now=NOW, timeout_s=1800) == Wait(running=True)


def test_a_pod_that_never_ends_is_given_up_after_the_time_limit() -> None:
    started = build("Running", timeoutSeconds=60)
    started["status"]["startedAt"] = meta.rfc3339(NOW)
    waits, over = (
        next_step(started, pod(FETCHED, RUNNING), prepared=True, now=NOW + passed, timeout_s=1800)
        for passed in (60 + SLACK_S - 1, 60 + SLACK_S)
    )
    assert isinstance(waits, Wait)
    assert isinstance(over, Finish)
    assert over.outcome.reason == "TimedOut"


UNKNOWN = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": "The container could not be located"}}
DISRUPTED = [{"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": "The node stops."}]


def taken(of: dict[str, Any], *, deleting: bool = True, attempt: int = 0) -> dict[str, Any]:
    """The pod on node n, which is being deleted."""
    metadata = {"name": "shop-1-build", "labels": {ATTEMPT: str(attempt)}}
    return {**of, "metadata": metadata | ({"deletionTimestamp": "x"} if deleting else {}), "spec": {"nodeName": "n"}}


@pytest.mark.parametrize(
    ("of", "is_away", "expected"),
    [
        (taken(pod(FETCHED, RUNNING, phase="Running")), True, Again(1, "node n, on which it ran, does not answer")),
        (taken(pod(FETCHED, RUNNING, phase="Running"), deleting=False), True, Wait(running=True)),
        (taken(pod(FETCHED, RUNNING, phase="Running")), False, Wait(running=True)),
        (taken(pod(FETCHED, ended(137), phase="Failed")), False, Again(1, "its pod on node n was deleted while it ran")),
        (taken(pod(FETCHED, ended(0, write(BUILT)), phase="Failed")), False, Finish("Succeeded", BUILT)),
        (taken(pod(FETCHED, ended(1, write(BROKEN)))), True, Finish("Failed", BROKEN)),
        (taken(pod(ended(143))), False, Again(1, "its pod on node n was deleted while it ran")),
        (taken(pod(ended(1, "git cannot fetch main"))), False, failed("SourceFailed", "git cannot fetch main")),
        (taken(pod(FETCHED, UNKNOWN), deleting=False), False, Again(1, "its pod on node n ended with its node")),
        (taken(pod(UNKNOWN), deleting=False), False, Again(1, "its pod on node n ended with its node")),
        (
            taken(pod(FETCHED, ended(137), phase="Failed", conditions=DISRUPTED), deleting=False),
            False,
            Again(1, "its pod on node n was ended: The node stops"),
        ),
        (taken(pod(FETCHED, RUNNING, phase="Running", conditions=DISRUPTED), deleting=False), False, Wait(running=True)),
    ],
)
def test_a_build_whose_pod_is_taken_from_it_begins_anew_unless_it_said_how_it_ended(
    of: dict[str, Any], is_away: bool, expected: Step
) -> None:
    assert next_step(build("Running"), of, prepared=True, now=NOW, timeout_s=1800, is_node_away=is_away) == expected


def interrupted(times: int, phase: str = "Pending") -> dict[str, Any]:
    found = build(phase)
    found["status"]["interruptions"] = times
    return found


@pytest.mark.parametrize(
    ("of", "is_away", "expected"),
    [
        (None, False, Create()),
        (taken(pod(FETCHED, RUNNING)), False, Wait(running=False)),
        (taken(pod(FETCHED, RUNNING)), True, Discard(by_force=True)),
        (taken(pod(FETCHED, ended(137), phase="Failed"), deleting=False), False, Discard(by_force=False)),
        (taken(pod(FETCHED, RUNNING, phase="Running"), deleting=False, attempt=1), False, Wait(running=True)),
    ],
)
def test_the_pod_of_an_earlier_attempt_makes_room_for_the_next(of: dict[str, Any] | None, is_away: bool, expected: Step) -> None:
    assert next_step(interrupted(1), of, prepared=True, now=NOW, timeout_s=1800, is_node_away=is_away) == expected


def test_an_interruption_counts_once_however_often_it_is_seen() -> None:
    seen = interrupted(1, "Running")
    steps = {next_step(seen, of, prepared=True, now=NOW, timeout_s=1800) for of in (None, taken(pod(FETCHED, ended(137)), attempt=1))}
    assert {step.interruptions for step in steps if isinstance(step, Again)} == {2}


def test_a_build_that_is_interrupted_again_and_again_fails_with_the_last_cause() -> None:
    of = taken(pod(FETCHED, RUNNING), attempt=MOST)
    step = next_step(interrupted(MOST, "Running"), of, prepared=True, now=NOW, timeout_s=1800, is_node_away=True)
    assert step == failed("PodLost", "the build was interrupted 4 times, the last time because node n, on which it ran, does not answer")
