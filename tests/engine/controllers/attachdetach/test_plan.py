"""Where volumes are attached and from where they go, decided from facts alone."""

import pytest

from pilothouse.engine.controllers.attachdetach.plan import (
    FORCE_S,
    SLOW_S,
    Action,
    Attach,
    Attachment,
    Blocked,
    Detach,
    Facts,
    Hide,
    NodeState,
    Plan,
    Show,
    Trouble,
    plan,
)

A1, A2 = Attachment("a1", "n1", is_attached=True), Attachment("a2", "n2", is_attached=True)
POD1, POD2 = {"n1": ["default/p"]}, {"n2": ["default/q"]}
FREE, SHOWN = NodeState(), NodeState(shows=True)
USED = NodeState(uses=True, shows=True)
AWAY = NodeState(uses=True, is_ready=False)


def actions(facts: Facts) -> tuple[Action, ...]:
    return plan(facts).actions


def test_a_volume_is_attached_to_each_node_that_wants_it_if_nodes_may_share_it() -> None:
    assert actions(Facts(False, POD1 | POD2, [])) == (Attach("n1"), Attach("n2"))


def test_a_volume_of_one_node_is_attached_to_one_and_the_others_pods_are_told_who_has_it() -> None:
    assert actions(Facts(True, POD1 | POD2, [])) == (Attach("n1"), Blocked("n2", ("default/p",)))
    assert actions(Facts(True, POD1 | POD2, [A1], {"n1": USED})) == (Blocked("n2", ("default/p",)),)


def test_a_node_learns_what_is_attached() -> None:
    assert actions(Facts(True, POD1, [A1], {"n1": FREE})) == (Show("n1"),)
    assert actions(Facts(True, POD1, [A1], {"n1": SHOWN})) == ()


def test_a_volume_is_hidden_before_it_is_detached_and_detached_before_another_node_gets_it() -> None:
    assert actions(Facts(True, POD2, [A1], {"n1": SHOWN})) == (Hide("n1"), Blocked("n2", ()))
    assert actions(Facts(True, POD2, [A1], {"n1": FREE})) == (Detach("n1", "a1"), Blocked("n2", ()))
    deleting = Attachment("a1", "n1", is_attached=True, is_deleting=True)
    assert actions(Facts(True, POD2, [deleting], {"n1": FREE})) == (Blocked("n2", ()),)


def test_a_node_that_uses_a_volume_keeps_it_as_long_as_the_node_is_ready() -> None:
    assert plan(Facts(True, {}, [A1], {"n1": USED}, {"n1": 10 * FORCE_S})) == Plan(())


@pytest.mark.parametrize(
    ("state", "waited_s", "expected"),
    [
        (AWAY, 60.0, Plan((), FORCE_S - 60)),
        (AWAY, FORCE_S, Plan((Detach("n1", "a1", is_forced=True),))),
        (NodeState(uses=True, is_ready=False, is_out_of_service=True), 0.0, Plan((Detach("n1", "a1", is_forced=True),))),
        (None, 60.0, Plan((), FORCE_S - 60)),
        (None, FORCE_S, Plan((Detach("n1", "a1", is_forced=True),))),
    ],
    ids=["away", "away for long", "out of service", "gone", "gone for long"],
)
def test_a_node_that_is_away_is_waited_for_but_not_for_ever(state: NodeState | None, waited_s: float, expected: Plan) -> None:
    assert plan(Facts(True, {}, [A1], {} if state is None else {"n1": state}, {"n1": waited_s})) == expected


def test_what_the_attacher_says_reaches_the_pods_and_its_silence_too() -> None:
    refused = Attachment("a1", "n1", attach_error="no such disk")
    assert actions(Facts(True, POD1, [refused], {"n1": FREE})) == (Trouble("n1", "no such disk"),)
    assert plan(Facts(True, POD1, [Attachment("a1", "n1", age_s=100)], {"n1": FREE})) == Plan((), SLOW_S - 100)
    assert plan(Facts(True, POD1, [Attachment("a1", "n1", age_s=130)], {"n1": FREE})) == Plan((Trouble("n1", ""),), SLOW_S)


def test_a_volume_that_is_wanted_again_while_it_is_being_detached_waits_for_that() -> None:
    leaving = Attachment("a1", "n1", is_attached=True, is_deleting=True, detach_error="busy")
    assert actions(Facts(True, POD1, [leaving], {"n1": FREE})) == (Trouble("n1", "busy"),)
