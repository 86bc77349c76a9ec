"""To which nodes a volume is to be attached, and from which it may go: facts in, actions out. Pure.

A volume that only one node may have is attached to a second one when the first has let it go, and never before: two nodes that write to
one file system destroy it. A node has let a volume go when no pod of it wants the volume and the node says that it uses it no more.
Only a node that is out of service, or that has been away for FORCE_S, is not waited for.
Source: kubernetes pkg/controller/volume/attachdetach/reconciler.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

FORCE_S = 360.0
"""How long a node that is not ready is waited for after its last pod has gone."""
SLOW_S = 120.0
"""After this a volume that is still not attached is said to be late."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One VolumeAttachment of the volume. age_s: since it was made. attach_error, detach_error: what the attacher says; "" for nothing."""

    name: str
    node: str
    is_attached: bool = False
    is_deleting: bool = False
    attach_error: str = ""
    detach_error: str = ""
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeState:
    """uses: whether the node says that it has, or is about to have, the volume mounted. shows: whether its status lists it as attached."""

    uses: bool = False
    shows: bool = False
    is_ready: bool = True
    is_out_of_service: bool = False


GONE = NodeState(uses=True, is_ready=False)
"""A node without an object: nobody says what it has mounted, so that it is waited for as for one that is away."""


@dataclass(frozen=True, slots=True)
class Facts:
    """wanted: keys of the pods that want the volume, by node. nodes: those that are there. unwanted_s: for how long nobody has wanted it.

    attachments: only those that were made for this purpose; others are left alone.
    """

    is_exclusive: bool
    wanted: Mapping[str, Collection[str]]
    attachments: Sequence[Attachment]
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    unwanted_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attach:
    node: str


@dataclass(frozen=True, slots=True)
class Show:
    """The node's status is to list the volume: it is attached."""

    node: str


@dataclass(frozen=True, slots=True)
class Hide:
    """The node's status is to list the volume no more: it is about to be detached, and must not be mounted again."""

    node: str


@dataclass(frozen=True, slots=True)
class Detach:
    node: str
    name: str
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """The pods of this node cannot have the volume: others have it. holders: keys of their pods."""

    node: str
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the pods of this node are to be told. why: the attacher's words; "" when it has said nothing for too long."""

    node: str
    why: str


Action = Attach | Show | Hide | Detach | Blocked | Trouble


@dataclass(frozen=True, slots=True)
class Plan:
    """again_s: when to look again though nothing has changed; None for never."""

    actions: tuple[Action, ...]
    again_s: float | None = None


def plan(facts: Facts) -> Plan:
    """Deterministic: nodes are taken in the order of their names."""
    found: list[Action] = []
    waits: list[float] = []
    for attachment in sorted(facts.attachments, key=lambda each: each.node):
        if attachment.node not in facts.wanted:
            _unwanted(facts, attachment, found, waits)
        elif attachment.is_deleting:
            found.append(Trouble(attachment.node, attachment.detach_error or "volume attachment is being deleted"))
        else:
            _attached(facts, attachment, found, waits)
    held = {attachment.node for attachment in facts.attachments}
    for node in sorted(facts.wanted.keys() - held):
        if facts.is_exclusive and held:
            holders = sorted(pod for other in held & facts.wanted.keys() for pod in facts.wanted[other])
            found.append(Blocked(node, tuple(holders)))
        else:
            found.append(Attach(node))
            held.add(node)
    return Plan(tuple(found), min(waits, default=None))


def _attached(facts: Facts, attachment: Attachment, found: list[Action], waits: list[float]) -> None:
    """Of an attachment that is wanted."""
    state = facts.nodes.get(attachment.node, GONE)
    if attachment.is_attached:
        if attachment.node in facts.nodes and not state.shows:
            found.append(Show(attachment.node))
    elif attachment.attach_error:
        found.append(Trouble(attachment.node, attachment.attach_error))
    elif attachment.age_s >= SLOW_S:
        found.append(Trouble(attachment.node, ""))
        waits.append(SLOW_S)
    else:
        waits.append(SLOW_S - attachment.age_s)


def _unwanted(facts: Facts, attachment: Attachment, found: list[Action], waits: list[float]) -> None:
    state = facts.nodes.get(attachment.node, GONE)
    waited_s = facts.unwanted_s.get(attachment.node, 0.0)
    is_forced = state.uses and (state.is_out_of_service or (not state.is_ready and waited_s >= FORCE_S))
    if attachment.is_deleting:
        if state.shows:
            found.append(Hide(attachment.node))
    elif state.uses and not is_forced:
        if not state.is_ready:
            waits.append(FORCE_S - waited_s)
    elif state.shows:
        found.append(Hide(attachment.node))
    else:
        found.append(Detach(attachment.node, attachment.name, is_forced))
