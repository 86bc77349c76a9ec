"""What becomes of an object whose owners may be gone. Pure: what is known of its owners in, one verdict out.

Source: Kubernetes 1.36, garbagecollector.go (attemptToDeleteItem, processDeletingDependentsItem).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pilothouse.engine.controllers.garbage.graph import FOREGROUND, ORPHAN, Node

Standing = Literal["solid", "absent", "waiting"]
"""An owner that stays, that is gone, or that waits for its dependents before it goes (foreground deletion)."""


@dataclass(frozen=True, slots=True)
class Keep:
    """release: owners to take out of its references."""

    release: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    propagation: Literal["Background", "Foreground", "Orphan"]


def judge(node: Node, standings: Sequence[tuple[str, Standing]], dependents: Sequence[Node]) -> Keep | Delete:
    """standings: (uid, standing) of each of its owners. dependents: its own."""
    solid = [uid for uid, standing in standings if standing == "solid"]
    gone = [uid for uid, standing in standings if standing == "absent"]
    waiting = [uid for uid, standing in standings if standing == "waiting"]
    if solid or not standings:
        return Keep((*gone, *waiting))
    if waiting and dependents:
        return Delete("Foreground")
    return Delete(_policy(node))


def _policy(node: Node) -> Literal["Background", "Foreground", "Orphan"]:
    """What its own finalizers ask for."""
    if ORPHAN in node.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in node.finalizers else "Background"


def blocking(node: Node, dependents_of: Callable[[str], Sequence[Node]]) -> list[Node]:
    """Dependents that a foreground deletion waits for. Not among them: those that in the end wait for this object, which would never go.

    Upstream instead takes the blocking mark off one reference of the circle before it closes, and misses that when several of
    its objects are deleted at once. The last one to wait sees the whole circle here.
    """
    return [each for each in dependents_of(node.uid) if each.blocks(node.uid) and not _waits_for(each, node, dependents_of)]


def _waits_for(start: Node, wanted: Node, dependents_of: Callable[[str], Sequence[Node]]) -> bool:
    seen, pending = {start.uid}, [start]
    while pending:
        node = pending.pop()
        if not node.waits_for_dependents:
            continue
        for each in dependents_of(node.uid):
            if not each.blocks(node.uid):
                continue
            if each.uid == wanted.uid:
                return True
            if each.uid not in seen:
                seen.add(each.uid)
                pending.append(each)
    return False
