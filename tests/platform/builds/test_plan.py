from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.platform.builds.outcome import Outcome, Prepared, write, write_prepared
from pilothouse.platform.builds.outcome import Step as Took
from pilothouse.platform.builds.plan import SLACK_S, Create, Finish, Prepare, Step, Wait, next_step

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
        (build("Running"), None, failed("PodLost", "the build's pod was deleted while it ran")),
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
