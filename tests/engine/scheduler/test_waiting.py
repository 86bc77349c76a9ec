"""What brings a waiting pod back, and in which order and how soon it is tried again."""

from collections.abc import Sequence

import pytest

from pilothouse.engine.scheduler.backoff import BackOff
from pilothouse.engine.scheduler.line import SortedLine
from pilothouse.engine.scheduler.snapshot.events import Event, PodPlaced
from pilothouse.engine.scheduler.waiting import Waiting
from pilothouse.model.json import Object
from tests.engine.scheduler.objects import HOST, World, affinity, node, pod, term

SPREAD: Object = {"topologyKey": HOST, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}
TAINTED = node("n", taints=[{"key": "gpu", "effect": "NoSchedule"}])
SELECTS = pod("w", nodeSelector={"disk": "ssd"})
CPU, PORT = pod("w", cpu="1"), pod("w", ports=[{"containerPort": 80, "hostPort": 80}])
NEAR, APART = pod("w", affinity=affinity(near=[term()])), pod("w", affinity=affinity(apart=[term()]))
WEB = pod("other", on="n", labels={"app": "web"})


def moved(known: World, old: Object | None, new: Object | None) -> Sequence[Event]:
    one = new or old or {}
    changed = known.snapshot.pod_changed if "containers" in one["spec"] else known.snapshot.node_changed
    return changed(old, new)


@pytest.mark.parametrize(
    ("plugin", "waiting", "there", "old", "new", "is_woken"),
    [
        ("NodeUnschedulable", pod("w"), [], node("n", unschedulable=True), node("n"), True),
        ("NodeUnschedulable", pod("w"), [], node("n", unschedulable=True), node("n", unschedulable=True, cpu="9"), False),
        ("TaintToleration", pod("w"), [], TAINTED, node("n"), True),
        ("TaintToleration", pod("w"), [], node("n"), TAINTED, False),
        ("NodeAffinity", SELECTS, [], node("n"), node("n", labels={"disk": "ssd"}), True),
        ("NodeAffinity", SELECTS, [], node("n"), node("n", labels={"disk": "hdd"}), False),
        ("NodeAffinity", SELECTS, [], None, node("m", labels={"disk": "ssd"}), True),
        ("NodeAffinity", SELECTS, [], pod("other", on="n", cpu="1"), None, False),
        ("NodeResourcesFit", CPU, [], pod("other", on="n", cpu="1"), None, True),
        ("NodeResourcesFit", CPU, [], None, pod("other", on="n", cpu="1"), False),
        ("NodeResourcesFit", CPU, [], node("n"), node("n", cpu="4"), True),
        ("NodeResourcesFit", pod("w", cpu="8"), [], node("n"), node("n", cpu="4"), False),
        ("NodeResourcesFit", CPU, [], pod("other", on="n", cpu="2"), pod("other", on="n", cpu="1"), True),
        ("NodeResourcesFit", CPU, [], pod("other", on="n", cpu="1"), pod("other", on="n", cpu="2"), False),
        ("NodeResourcesFit", CPU, [], pod("other", on="n"), pod("other", on="n") | {"status": {"phase": "Failed"}}, True),
        ("NodePorts", PORT, [], pod("other", on="n", ports=[{"containerPort": 8, "hostPort": 80}]), None, True),
        ("NodePorts", PORT, [], pod("other", on="n", ports=[{"containerPort": 8, "hostPort": 81}]), None, False),
        ("InterPodAffinity", NEAR, [], None, WEB, True),
        ("InterPodAffinity", NEAR, [], None, pod("other", on="n"), False),
        ("InterPodAffinity", APART, [], WEB, None, True),
        ("InterPodAffinity", APART, [], None, WEB, False),
        ("InterPodAffinity", APART, [], WEB, pod("other", on="n", labels={"app": "db"}), True),
        ("InterPodAffinity", pod("w", labels={"app": "web"}), [], pod("other", on="n", affinity=affinity(apart=[term()])), None, True),
        ("PodTopologySpread", pod("w", topologySpreadConstraints=[SPREAD]), [], None, WEB, True),
        ("PodTopologySpread", pod("w", topologySpreadConstraints=[SPREAD]), [], None, pod("other", on="n"), False),
        ("PodTopologySpread", pod("w", topologySpreadConstraints=[SPREAD]), [], None, node("m"), True),
        ("PodTopologySpread", pod("w", topologySpreadConstraints=[SPREAD]), [], node("m"), None, True),
        ("NodeResourcesFit", CPU, [], node("m"), None, False),
        # What upstream's plug-ins register for, and what they do not.
        ("NodeUnschedulable", pod("w"), [], None, node("m", unschedulable=True), False),
        ("TaintToleration", pod("w"), [], None, node("m"), True),
        ("TaintToleration", pod("w"), [], TAINTED, TAINTED | {"spec": TAINTED["spec"] | {"unschedulable": True}}, False),
        ("NodePorts", PORT, [], None, node("m"), True),
        ("NodePorts", PORT, [], node("n"), node("n", cpu="9"), False),
        ("NodeResourcesFit", CPU, [], node("n"), node("n", labels={"disk": "ssd"}), False),
        ("InterPodAffinity", NEAR, [], None, node("m"), True),
        ("InterPodAffinity", NEAR, [], node("n"), node("n", cpu="9"), False),
        ("PodTopologySpread", pod("w", topologySpreadConstraints=[SPREAD]), [], TAINTED, node("n"), True),
        ("PodTopologySpread", pod("w", topologySpreadConstraints=[SPREAD]), [], node("n"), node("n", cpu="9"), False),
        ("SomeOther", pod("w"), [], None, node("m"), True),
    ],
)
def test_an_event_wakes_whom_it_may_help(
    plugin: str, waiting: Object, there: list[Object], old: Object | None, new: Object | None, is_woken: bool
) -> None:
    known = World(node("n"), *there)
    if old is not None:
        known.add(old)
    parked = Waiting({"default-scheduler": known.cycle.profile.hinting})
    parked.park(known.snapshot.info(waiting), frozenset({plugin}))
    woken = [key for event in moved(known, old, new) for key in parked.woken_by(event)]
    assert woken == (["ns/w"] if is_woken else [])


def test_a_heartbeat_of_a_node_is_no_event() -> None:
    known, before = World(node("n")), node("n")
    after = before | {"status": before["status"] | {"conditions": [{"type": "Ready", "lastHeartbeatTime": "now"}]}}
    version, generation = known.snapshot.version, known.snapshot.nodes["n"].generation
    assert known.snapshot.node_changed(before, after) == []
    assert (known.snapshot.version, known.snapshot.nodes["n"].generation) == (version, generation)


def test_that_a_pod_has_started_makes_no_difference_to_others() -> None:
    known, before, after = World(node("n")), pod("p", on="n"), pod("p", on="n", started="2026-01-01T00:00:00Z")
    known.add(before)
    version, generation = known.snapshot.version, known.snapshot.nodes["n"].generation
    assert known.snapshot.pod_changed(before, after) == []
    assert (known.snapshot.version, known.snapshot.nodes["n"].generation) == (version, generation)
    assert known.snapshot.nodes["n"].pods["ns/p"].started == "2026-01-01T00:00:00Z"


def test_a_pod_that_was_assumed_is_there_for_others_when_it_is_bound() -> None:
    known, wanted = World(node("n")), pod("p")
    assert known.place(wanted) == "n"
    bound = pod("p", on="n")
    (event,) = known.snapshot.pod_changed(wanted, bound)
    assert isinstance(event, PodPlaced)
    assert known.snapshot.pod_changed(bound, bound) == []


def test_a_nomination_is_what_is_written_until_it_is_taken_back() -> None:
    known, plain = World(node("n")), pod("p", cpu="1")
    written = plain | {"status": {"nominatedNodeName": "n"}}
    known.snapshot.pod_changed(None, written)
    assert known.snapshot.nominated_node("ns/p") == "n"
    known.snapshot.pod_changed(written, plain)
    assert known.snapshot.nominated_node("ns/p") == ""
    known.snapshot.pod_changed(plain, written)
    known.snapshot.pod_changed(written, None)
    assert (known.snapshot.nominated_node("ns/p"), known.snapshot.nodes["n"].nominated) == ("", {})


def test_pods_that_are_alike_are_woken_together_and_one_that_is_dropped_is_not() -> None:
    known = World(node("n"))
    parked = Waiting({"default-scheduler": known.cycle.profile.hinting})
    for name in ("a", "b", "c"):
        parked.park(known.snapshot.info(pod(name, cpu="1")), frozenset({"NodeResourcesFit"}))
    parked.drop("ns/b")
    (event,) = moved(known, None, node("m"))
    assert (parked.woken_by(event), len(parked)) == (["ns/a", "ns/c"], 2)


def test_a_pod_that_no_node_was_there_for_is_woken_by_whatever_comes() -> None:
    known = World()
    parked = Waiting({"default-scheduler": known.cycle.profile.hinting})
    parked.park(known.snapshot.info(pod("w")), frozenset())
    (event,) = moved(known, None, node("m"))
    assert parked.woken_by(event) == ["ns/w"]


def test_a_pod_that_is_woken_in_vain_rests_longer_and_longer() -> None:
    backoff = BackOff()
    rests = []
    for _ in range(10):
        rests.append(backoff.rest_s("ns/w", 100.0))
        backoff.tried("ns/w", 100.0)
    assert rests == [0, 0, 0, 0, 1, 2, 4, 8, 10, 10]
    assert backoff.rest_s("ns/w", 107.0) == 3
    assert backoff.rest_s("ns/w", 200.0) == 0
    backoff.forget("ns/w")
    assert backoff.rest_s("ns/w", 100.0) == 0


def test_the_line_goes_by_rank_and_among_equals_by_who_came_first() -> None:
    line = SortedLine({"a": 0, "b": -5, "c": 0, "d": -5}.__getitem__)
    for key in "abcd":
        line.append(key)
    assert ("".join(line.popleft() for _ in range(4)), len(line)) == ("bdac", 0)
