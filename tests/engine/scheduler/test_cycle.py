"""Which nodes are looked at, what is kept between decisions, and what a decision costs."""

import pytest

from pilothouse.engine.scheduler import cycle
from pilothouse.engine.scheduler.cycle import Fit
from pilothouse.engine.scheduler.enough import enough
from pilothouse.engine.scheduler.framework.plugin import Unfit
from pilothouse.model.json import Object
from tests.cpu import takes_under
from tests.engine.scheduler.objects import HOST, REQUIRED, ZONE, World, affinity, node, pod, term


def names_only(*names: str) -> Object:
    """What the pods of a DaemonSet say."""
    fields = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": list(names)}]}
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [fields]}}}


def test_of_many_nodes_that_fit_some_are_compared_and_the_next_decision_begins_with_others() -> None:
    known = World(*(node(f"n{number:04}") for number in range(300)))
    found = [known.decide(pod()) for _ in range(2)]
    assert [each.fitting for each in found if isinstance(each, Fit)] == [enough(300)] * 2 == [144] * 2
    assert [each.node for each in found if isinstance(each, Fit)] == ["n0000", "n0144"]
    few = World(*(node(f"n{number:04}") for number in range(30)))
    assert (found := few.decide(pod())) == Fit("n0000", 30), found


def test_all_nodes_get_their_turn() -> None:
    known = World(*(node(f"n{number:04}", cpu="100m") for number in range(400)))
    chosen = {known.place(pod(f"p{number}", cpu="100m")) for number in range(400)}
    assert len(chosen) == 400
    assert known.reasons(pod(cpu="100m")) == {"Insufficient cpu": 400}


def test_zones_take_turns_in_the_order_of_nodes() -> None:
    known = World(*(node(f"n{number}", labels={ZONE: "1" if number < 4 else "2"}) for number in range(6)))
    assert [each.name for each in known.snapshot.existing()] == ["n0", "n4", "n1", "n5", "n2", "n3"]


def test_a_pod_that_names_its_nodes_is_judged_by_these_alone() -> None:
    known = World(*(node(f"n{number}") for number in range(5)))
    assert known.place(pod(affinity=names_only("n3", "nowhere"))) == "n3"
    assert known.place(pod(affinity=names_only("n1", "n4"), cpu="1")) in ("n1", "n4")
    known = World(node("a", cpu="1"), node("b"), node("c"))
    reasons = known.reasons(pod(affinity=names_only("a"), cpu="2"))
    assert reasons == {"Insufficient cpu": 1, "node(s) didn't match Pod's node affinity/selector": 2}


def test_what_was_said_of_a_node_holds_until_it_changes() -> None:
    known, wanted = World(node("a")), pod(cpu="1500m")
    assert isinstance(known.decide(wanted), Fit)
    known.add(pod("other", on="a", cpu="1"))
    assert isinstance(known.decide(wanted), Unfit)
    known.snapshot.pod_changed(pod("other", on="a", cpu="1"), None)
    assert isinstance(known.decide(wanted), Fit)
    known.snapshot.node_changed(node("a"), node("a", unschedulable=True))
    assert isinstance(known.decide(wanted), Unfit)
    known.snapshot.node_changed(node("a", unschedulable=True), None)
    assert known.decide(wanted) == Unfit({})


def test_a_decision_that_takes_long_lets_others_run_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "FRESH_AT_A_TIME", 10)
    known = World(*(node(f"n{number:02}") for number in range(25)))
    info = known.snapshot.info(pod(cpu="3"))
    found = [known.cycle.decide(info) for _ in range(3)]
    assert found[:2] == [None, None]
    assert isinstance(found[2], Unfit)
    assert len(found[2].refusals) == 25


def test_each_short_resource_is_a_reason() -> None:
    known = World(node("a", cpu="1", memory="1Gi"), node("b", cpu="1"))
    assert known.reasons(pod(cpu="2", memory="2Gi")) == {"Insufficient cpu": 2, "Insufficient memory": 1}


def test_room_that_is_being_made_counts_for_pods_that_are_less_important() -> None:
    known = World(node("a"), node("b", cpu="1"))
    important = known.snapshot.info(pod("important", cpu="2", priority=5))
    known.snapshot.nominate(important, "a")
    assert known.place(pod("p", cpu="500m")) == "b"
    assert isinstance(known.decide(pod("q", cpu="1500m")), Unfit)
    assert isinstance(known.decide(pod("more", cpu="1500m", priority=6)), Fit)
    assert known.decide(pod("important", cpu="2", priority=5)) == Fit("a", 1)
    known.snapshot.unnominate("ns/important")
    assert isinstance(known.decide(pod("q", cpu="1500m")), Fit)


def test_a_pod_must_fit_beside_and_without_those_that_may_not_come() -> None:
    known = World(node("a"))
    known.snapshot.nominate(known.snapshot.info(pod("important", labels={"app": "web"}, priority=5)), "a")
    assert isinstance(known.decide(pod("near", affinity=affinity(near=[term()]))), Unfit)
    assert isinstance(known.decide(pod("apart", affinity=affinity(apart=[term()]))), Unfit)


def test_a_decision_among_many_nodes_is_cheap_once_they_are_known() -> None:
    known = World(*(node(f"n{number}", cpu="32", pods="110", labels={ZONE: str(number % 3)}) for number in range(1000)))
    spread = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}
    rather = affinity(rather_apart=[(1, term(key=HOST))])
    for number in range(10):
        known.place(pod(f"p{number}", labels={"app": "web"}, topologySpreadConstraints=[spread], affinity=rather, cpu="100m"))
    with takes_under(0.5):
        for number in range(10, 110):
            assert known.place(pod(f"p{number}", labels={"app": "web"}, topologySpreadConstraints=[spread], affinity=rather, cpu="100m"))
