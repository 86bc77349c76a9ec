"""The status of a ClusterNetworkPolicy by what the nodes say of themselves (pure).

Nodes may not write policies, and one write a node and change would be too many: each says in a condition of its own whether it carries out
policies, which as of now, and which it does not. Those that are not ready do not count: what they said last says nothing of now.
Upstream's API has a list of conditions and names none of them; here it is one, Accepted.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from pilothouse.model import meta, policy_progress
from pilothouse.model.json import Object
from pilothouse.model.node_objects import is_simulated
from pilothouse.model.policy_progress import Mark
from pilothouse.model.policy_refusals import ENFORCED, exceptions, progress, unnamed

ACCEPTED = "Accepted"
CARRIED_OUT, NOT_CARRIED_OUT, PENDING = "CarriedOut", "NotCarriedOut", "NodesPending"
_SHOWN = 3


def said(node: Object | None) -> tuple[bool, str, str]:
    """What counts of a node: whether it is ready, and its condition's status and message; "" where it says nothing."""
    shown = meta.condition(node or {}, ENFORCED) or {}
    is_ready = node is not None and meta.is_true(node, "Ready") and not is_simulated(node)
    return is_ready, str(shown.get("status") or ""), str(shown.get("message") or "")


@dataclass(slots=True)
class Nodes:
    """What all nodes that are ready say, once for all policies. absent: how many are not ready.

    unable: those that carry out no policies, and why. refusing: by policy, the nodes that do not carry it out, and why. unknown: nodes that
    say nothing. behind: by the policies' shares (see `policy_progress`), nodes that say of other policies than there are, and how they are
    shown.
    """

    total: int = 0
    absent: int = 0
    unable: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    refusing: dict[str, dict[str, str]] = field(default_factory=dict)
    behind: dict[int, dict[str, str]] = field(default_factory=dict)


def gathered(nodes: Iterable[Object], policies: Iterable[Object]) -> Nodes:
    """policies: all there are. What many nodes say in the same words is read once."""
    found = Nodes()
    alike: dict[str, list[str]] = {}
    for node in sorted(nodes, key=meta.name):
        if is_simulated(node):
            continue
        is_ready, value, message = said(node)
        found.total += is_ready
        found.absent += not is_ready
        match (is_ready, value):
            case (False, _):
                continue
            case (_, "True"):
                alike.setdefault(message, []).append(meta.name(node))
            case (_, "False"):
                found.unable.append((meta.name(node), message))
            case _:
                found.unknown.append(meta.name(node))
    known = {meta.name(each): each for each in policies}
    marks = {name: policy_progress.mark(each) for name, each in known.items()}
    for message, names in alike.items():
        _read(found, message, names, known, marks)
    return found


def _read(found: Nodes, message: str, names: Collection[str], policies: Mapping[str, Object], marks: Mapping[str, Mark]) -> None:
    """Add what the nodes of these names say. A policy that a node names is no part of its progress."""
    named = [each for each in exceptions(message) if each.name in policies and meta.generation(policies[each.name]) == each.generation]
    for each in named:
        found.refusing.setdefault(each.name, {}).update((name, each.why) for name in names)
    expected = policy_progress.joined([*marks.values(), *(marks[each.name] for each in named)])
    more = unnamed(message)
    for share in policy_progress.behind(expected, policy_progress.read(progress(message))):
        found.behind.setdefault(share, {}).update((name, f"{name} (which has no room to name {more})" if more else name) for name in names)


def status(policy: Object, nodes: Nodes, now: str) -> Object:
    """now: the time of a change, as RFC 3339 writes it. The time stays while the condition's status does."""
    name = meta.name(policy)
    refusing = nodes.refusing.get(name, {})
    against = [*sorted(refusing.items()), *nodes.unable]
    behind = nodes.behind.get(policy_progress.share(name), {})
    unknown = len(nodes.unknown) + len(behind) - len(behind.keys() & refusing.keys())
    carried = nodes.total - len(against) - unknown
    message = f"carried out by {carried} of {nodes.total} node{'' if nodes.total == 1 else 's'}"
    if against:
        more = f"; and {len(against) - _SHOWN} more" if len(against) > _SHOWN else ""
        message += f"; {'; '.join(f'not by {node}: {why}' for node, why in against[:_SHOWN])}{more}"
        value, reason = "False", NOT_CARRIED_OUT
    elif unknown or not nodes.total:
        value, reason = "Unknown", PENDING
        # Nobody refuses it here, so that those behind are unknown all of them.
        shown = islice(chain(nodes.unknown, behind.values()), _SHOWN)
        message += f"; nothing is heard yet of {', '.join(shown)}" if unknown else ""
    else:
        value, reason = "True", CARRIED_OUT
    message += f"; {nodes.absent} more not ready" if nodes.absent else ""
    return _shown(policy, {"status": value, "reason": reason, "message": message[:1000]}, now)


def _shown(policy: Object, found: Object, now: str) -> Object:
    known: list[Object] = (policy.get("status") or {}).get("conditions") or []
    since = next(
        (each.get("lastTransitionTime") for each in known if (each.get("type"), each.get("status")) == (ACCEPTED, found["status"])), None
    )
    condition = {"type": ACCEPTED, **found, "observedGeneration": meta.generation(policy), "lastTransitionTime": since or now}
    return {"conditions": [*(each for each in known if each.get("type") != ACCEPTED), condition]}
