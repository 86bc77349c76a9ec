from typing import Any

import pytest

from pilothouse.platform.builds.plan import Create, Finish, Prepare, Step, Wait, next_step

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


FETCHED = ended(0, "ARG V=1\nFROM python:$V\n")
RUNNING: dict[str, Any] = {"running": {}}
LOST = Finish("Failed", "PodLost", "the build's pod was deleted while it ran")


@pytest.mark.parametrize(
    ("seen", "of", "expected"),
    [
        (build(), None, Create()),
        (build("Pending"), None, Create()),
        (build("Running"), None, LOST),
        (build("Succeeded"), pod(FETCHED), None),
        (build("Failed", cancelled=True), None, None),
        (build("Running", cancelled=True), pod(FETCHED, RUNNING), Finish("Cancelled", "Cancelled", "cancelled by request")),
        (build(), pod(phase="Pending"), Wait(running=False)),
        (build(), pod(RUNNING, phase="Pending"), Wait(running=True)),
        (build("Running"), pod(FETCHED, RUNNING), Prepare(("python:1",))),
        (build("Running", args={"V": "2"}), pod(FETCHED, RUNNING), Prepare(("python:2",))),
        (build("Running"), pod(ended(1, "git cannot fetch main")), Finish("Failed", "SourceFailed", "git cannot fetch main")),
        (build("Running"), pod(ended(1)), Finish("Failed", "SourceFailed", "the source could not be fetched")),
        (
            build("Running"),
            pod(FETCHED, ended(0, f"{DIGEST}\n")),
            Finish("Succeeded", digest=DIGEST, dockerfile=FETCHED["terminated"]["message"]),
        ),
        (
            build("Running"),
            pod(FETCHED, ended(1)),
            Finish("Failed", "BuildFailed", dockerfile=FETCHED["terminated"]["message"], explain=True),
        ),
        (
            build("Running"),
            pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
            Finish("Failed", "Evicted", "The node was low on resource: memory."),
        ),
    ],
)
def test_the_next_step_follows_from_the_build_and_its_pod(seen: dict[str, Any], of: dict[str, Any] | None, expected: Step | None) -> None:
    assert next_step(seen, of, prepared=False) == expected


def test_a_prepared_build_waits_for_its_pod() -> None:
    assert next_step(build("Running"), pod(FETCHED, RUNNING, phase="Running"), prepared=True) == Wait(running=True)
