import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.finding import State
from pilothouse.cli.why.inside import Inside, Listener, listeners, missing_variable, telling_lines
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps.workloads import ANSWERS
from tests.cli.shop import NOW, POD, note, pod, terminated, unready, waiting

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0500F40A:8124 0100F40A:01BB 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:1388 00000000000000000000000000000000:0000 0A
   1: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A
"""
REFUSED = "Readiness probe failed: dial tcp 10.244.0.5:8080: connect: connection refused"


def test_listening_ports_are_read_with_whether_only_the_pod_reaches_them() -> None:
    assert listeners(TABLE) == [Listener(3000, True), Listener(5000, False), Listener(8080, True)]
    assert listeners("") == []


@pytest.mark.parametrize(
    ("seen", "state", "said"),
    [
        ([Listener(5000)], State.WRONG_PORT, "listens on port 5000 and not on 8080; `ph deploy --port 5000` names its port, or make it"),
        ([Listener(5000), Listener(9090)], State.WRONG_PORT, "on port 5000 and 9090 and not on 8080; `ph deploy --port PORT`"),
        ([Listener(5000, True)], State.WRONG_PORT, "on port 5000 (on 127.0.0.1 only) and not on 8080; make it listen on 0.0.0.0:8080"),
        ([Listener(8080, True)], State.LOOPBACK_ONLY, "listens on 127.0.0.1:8080 only, where nothing outside of it can reach it"),
        ([], State.NOT_READY, "connection refused; make it listen on 0.0.0.0:8080"),
        (None, State.NOT_READY, "connection refused; make it listen on 0.0.0.0:8080"),
    ],
)
def test_where_an_app_listens_instead_is_named(seen: list[Listener] | None, state: State, said: str) -> None:
    refused = note(("Pod", POD), "Unhealthy", REFUSED)
    found = explain(unready(pod(), notes=[refused], inside={POD: Inside(seen)}))
    assert said in found.sentence
    assert found.state == state
    assert (found.certain_after_s is not None) == (state != State.NOT_READY)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["Traceback (most recent call last):", "KeyError: 'DATABASE_URL'", "[INFO] Worker exiting"], "KeyError: 'DATABASE_URL'"),
        (["django.core.exceptions.ImproperlyConfigured: no key", ""], "django.core.exceptions.ImproperlyConfigured: no key"),
        (["TypeError: x is not a function", "    at Object.<anonymous> (/app/a.js:1:1)"], "TypeError: x is not a function"),
        (["first", "last"], "last"),
        ([], ""),
    ],
)
def test_a_crash_is_told_by_its_exception(lines: list[str], said: str) -> None:
    assert Inside(lines=lines).telling_line == said


def test_what_a_crashed_container_printed_stands_in_the_sentence() -> None:
    crashed = pod(waiting("CrashLoopBackOff"), restarts=1, last=terminated(3))
    found = explain(unready(crashed, inside={POD: Inside(lines=["ModuleNotFoundError: No module named 'flask'"])}))
    assert "ended with exit code 3: ModuleNotFoundError: No module named 'flask', so it is started again" in found.sentence
    assert (found.state, found.certain_after_s) == (State.CRASHING, 0)


def shut(reason: str = "", message: str = "", since: float = 60) -> Object:
    """A replica whose containers are ready and whose readiness gate is not."""
    found = pod({"running": {}}, ready=True)
    found["spec"]["readinessGates"] = [{"conditionType": ANSWERS}]
    at = meta.rfc3339(NOW - since)
    found["status"]["conditions"] = [{"type": "ContainersReady", "status": "True", "lastTransitionTime": at}]
    if message:
        found["status"]["conditions"] += [{"type": ANSWERS, "status": "False", "reason": reason, "message": message}]
    return found


@pytest.mark.parametrize(
    ("seeded", "lines", "certain_after_s", "said"),
    [
        (
            shut("ServerError", "GET / is answered with 500"),
            [],
            15,
            "GET / is answered with 500, which is a server error; see `ph logs shop`",
        ),
        (shut("NotAnswered", "GET / is not answered: x"), [], 15, "`ph deploy --internal`"),
        (shut(), [], 30, "its port accepts connections, but GET / has not been answered for 60 s"),
        (shut(), ["x", "SystemExit: 3"] * 3, 5, "its workers end again and again: SystemExit: 3"),
        (shut(), [f"[{n}] [ERROR] Worker (pid:{n}) exited with code 3" for n in range(7, 10)], 5, "[9] [ERROR] Worker (pid:9) exited with"),
        (shut(), ["x", "SystemExit: 3"] * 2, 30, "has not been answered"),
    ],
)
def test_why_a_replica_does_not_take_part_is_said(seeded: Object, lines: list[str], certain_after_s: float, said: str) -> None:
    found = explain(unready(seeded, inside={POD: Inside(lines=lines)}))
    assert said in found.sentence
    assert found.certain_after_s == certain_after_s


def test_a_replica_that_has_just_begun_to_accept_is_only_waited_for() -> None:
    assert explain(unready(shut(since=1))).chain == ()


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (['os.environ["DATABASE_URL"]', "KeyError: 'DATABASE_URL'"], "DATABASE_URL"),
        (['settings["DATABASE_URL"]', "KeyError: 'DATABASE_URL'"], ""),
        (["decouple.UndefinedValueError: SECRET_KEY not found. Declare it as envvar or define a default value."], "SECRET_KEY"),
        (["django.core.exceptions.ImproperlyConfigured: Set the SECRET_KEY environment variable"], "SECRET_KEY"),
        (["Error: environment variable MONGO_URL is not set"], "MONGO_URL"),
        (["Error: listen EADDRINUSE: address already in use"], ""),
    ],
)
def test_a_variable_that_a_program_ended_for_the_lack_of_is_known(lines: list[str], name: str) -> None:
    assert missing_variable(lines) == name


def test_an_error_of_node_is_told_and_not_its_version() -> None:
    lines = [
        "Error: Cannot find module 'nosuch'",
        "Require stack:",
        "- /app/index.js",
        "    at Module._load (node:1:2)",
        "",
        "Node.js v18.20.4",
    ]
    assert Inside(lines=lines).telling_line == "Error: Cannot find module 'nosuch'"
    assert Inside(lines=["it failed", "Node.js v20.1.0"]).telling_line == "it failed"


def test_the_lines_that_are_shown_have_the_error() -> None:
    stack = [f"    at {number}" for number in range(9)]
    assert telling_lines(["starting", "Error: no", *stack, "Node.js v20"], 4) == ["Error: no", *stack[:3]]
    assert telling_lines([*stack, "ValueError: x"], 3) == [*stack[-2:], "ValueError: x"]
    assert telling_lines(["a", "b"], 3) == ["a", "b"]


def test_a_validation_error_is_told_with_its_field() -> None:
    lines = [
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings",
        "secret_key",
        "  Field required [type=missing]",
    ]
    assert Inside(lines=lines).telling_line.endswith("for Settings: secret_key: Field required")
