from typing import Any

from pilothouse.engine.controllers.garbage import plan
from pilothouse.engine.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Node
from pilothouse.model.kinds import CONFIGMAPS


def node(uid: str, *owners: str, finalizers: tuple[str, ...] = (), deleting: bool = False, blocks: bool = True) -> Node:
    references: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": each, "uid": each, "blockOwnerDeletion": blocks} for each in owners
    ]
    return Node(CONFIGMAPS, "default", uid, uid, tuple(references), finalizers, deleting)


def test_an_object_whose_owner_stays_is_not_looked_at() -> None:
    graph = Graph()
    assert graph.put(node("owner")) == []
    assert graph.put(node("child", "owner")) == []


def test_an_object_whose_owner_is_unknown_is_looked_at() -> None:
    assert Graph().put(node("child", "owner")) == ["child"]


def test_the_end_of_an_owner_turns_attention_to_its_dependents() -> None:
    graph = Graph()
    for each in (node("owner"), node("a", "owner"), node("b", "owner")):
        graph.put(each)
    assert graph.remove("owner") == ["a", "b"]


def test_a_foreground_deletion_turns_attention_to_owner_and_dependents_and_back() -> None:
    graph = Graph()
    graph.put(node("owner"))
    graph.put(node("child", "owner"))
    assert graph.put(node("owner", finalizers=(FOREGROUND,), deleting=True)) == ["owner", "child"]
    assert graph.remove("child") == ["owner"]
    assert graph.dependents("owner") == []


def test_a_dependent_that_stops_blocking_turns_attention_to_its_owner() -> None:
    graph = Graph()
    graph.put(node("owner", finalizers=(FOREGROUND,), deleting=True))
    graph.put(node("child", "owner"))
    assert "owner" in graph.put(node("child"))


def test_an_object_with_a_standing_owner_is_kept_and_freed_of_the_others() -> None:
    judged = plan.judge(node("x", "a", "b", "c"), [("a", "solid"), ("b", "absent"), ("c", "waiting")], [])
    assert judged == plan.Keep(("b", "c"))


def test_an_object_without_any_owner_left_is_deleted_in_the_background() -> None:
    assert plan.judge(node("x", "a"), [("a", "absent")], []) == plan.Delete("Background")


def test_an_object_whose_owner_waits_is_deleted_in_the_foreground_when_it_has_dependents_itself() -> None:
    assert plan.judge(node("x", "a"), [("a", "waiting")], [node("y", "x")]) == plan.Delete("Foreground")
    assert plan.judge(node("x", "a"), [("a", "waiting")], []) == plan.Delete("Background")


def test_an_object_that_asked_to_orphan_its_dependents_is_deleted_so() -> None:
    assert plan.judge(node("x", "a", finalizers=(ORPHAN,)), [("a", "absent")], []) == plan.Delete("Orphan")


def test_an_object_without_owners_is_nobodys_garbage() -> None:
    assert plan.judge(node("x"), [], []) == plan.Keep()


def test_only_dependents_that_block_are_waited_for() -> None:
    dependents = [node("a", "x"), node("b", "x", blocks=False)]
    assert plan.blocking(node("x"), {"x": dependents}.__getitem__) == dependents[:1]
