"""The last words of containers: where they come from, and how many of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.engine.node.runtime.seam import MESSAGE_FILE, MESSAGE_POLICY, Container
from pilothouse.engine.node.status import termination
from pilothouse.engine.node.status.message_sizes import OF_A_POD_BYTES
from pilothouse.engine.node.status.pod import build
from pilothouse.model.json import Object
from tests.engine.node.builders import NOW, exited, pod, spec, state, tracked

LOGGED = "2026-01-01T00:00:00Z stderr F from the log\n"


def of(path: Path, code: int, policy: str = "File") -> Container:
    return replace(exited(code=code), annotations={MESSAGE_FILE: str(path), MESSAGE_POLICY: policy})


@pytest.mark.parametrize(
    ("written", "code", "policy", "said"),
    [
        ("own", 1, "File", "own"),
        ("own", 1, "FallbackToLogsOnError", "own"),
        ("", 1, "File", ""),
        ("", 1, "FallbackToLogsOnError", "from the log\n"),
        ("", 0, "FallbackToLogsOnError", ""),
    ],
)
def test_the_log_speaks_only_after_a_failure_and_when_asked(tmp_path: Path, written: str, code: int, policy: str, said: str) -> None:
    file, log = tmp_path / "file", tmp_path / "0.log"
    file.write_text(written)
    log.write_text(LOGGED)
    assert termination.message(of(file, code, policy), log) == said


def test_of_a_long_message_the_end_counts_and_of_a_long_log_less(tmp_path: Path) -> None:
    file, log = tmp_path / "file", tmp_path / "0.log"
    file.write_text("a" * 5000 + "b" * 4096)
    assert termination.message(of(file, 1), log) == "b" * 4096
    file.write_text("")
    log.write_text("".join(f"2026-01-01T00:00:00Z stdout F {number:099d}\n" for number in range(100)))
    said = termination.message(of(file, 1, "FallbackToLogsOnError"), log)
    assert (len(said), said.endswith("99\n")) == (2048, True)


def test_what_the_runtime_says_stands_before_what_the_container_said() -> None:
    found = replace(exited(code=1), message="cannot run")
    assert termination.with_message(found, "own", found, oom=False).message == "cannot run: own"
    assert termination.with_message(found, "", found, oom=False).message == "cannot run"


def messages(status: Object) -> list[str]:
    return [each["state"]["terminated"]["message"] for each in status["containerStatuses"]]


def test_the_containers_of_a_pod_share_what_may_be_said() -> None:
    names = [f"c{number}" for number in range(8)]
    ended = [tracked(replace(exited(name, code=1), message="é" * 2048)) for name in names]
    wanted = pod(*map(spec, names), restartPolicy="Never")
    said = messages(build(wanted, state(*ended), NOW, (), 1))
    assert [len(each.encode()) for each in said] == [OF_A_POD_BYTES // 8] * 8
    assert sum(len(each.encode()) for each in said) <= OF_A_POD_BYTES
    alone = build(pod(restartPolicy="Never"), state(tracked(replace(exited(code=1), message="x" * 4096))), NOW, (), 1)
    assert messages(alone) == ["x" * 4096]
