"""The status of a ClusterNetworkPolicy by what the nodes say of themselves (pure).

Nodes may not write policies, and one write a node and change would be too many: each says in a condition of its own whether it carries out
policies, and which it does not. Upstream's API has a list of conditions and names none of them; here it is one, Accepted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.policy_refusals import ENFORCED, NotCarriedOut, exceptions

ACCEPTED = "Accepted"
CARRIED_OUT, NOT_CARRIED_OUT, PENDING = "CarriedOut", "NotCarriedOut", "NodesPending"
_SHOWN = 3


def said(node: Object | None) -> tuple[str, str] | None:
    """What a node says of policies: the condition's status and message; None where it says nothing."""
    conditions = ((node or {}).get("status") or {}).get("conditions") or ()
    return next(((str(each.get("status")), str(each.get("message") or "")) for each in conditions if each.get("type") == ENFORCED), None)


@dataclass(slots=True)
class Nodes:
    """What all nodes say, once for all policies. able: how many carry out policies; unable: those that carry out none, and why.

    refusing: by policy, the nodes that do not carry it out. unknown: nodes that say nothing.
    """

    total: int = 0
    able: int = 0
    unable: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    refusing: dict[str, list[tuple[str, NotCarriedOut]]] = field(default_factory=dict)


def gathered(nodes: Iterable[Object]) -> Nodes:
    found = Nodes()
    for node in sorted(nodes, key=meta.name):
        found.total += 1
        match said(node):
            case ("True", message):
                found.able += 1
                for each in exceptions(message):
                    found.refusing.setdefault(each.name, []).append((meta.name(node), each))
            case ("False", message):
                found.unable.append((meta.name(node), message))
            case _:
                found.unknown.append(meta.name(node))
    return found


def status(policy: Object, nodes: Nodes, now: str) -> Object:
    """now: the time of a change, as RFC 3339 writes it. The time stays while the condition's status does."""
    generation = meta.generation(policy)
    excepting = nodes.refusing.get(meta.name(policy), [])
    against = [*((node, each.why) for node, each in excepting if each.generation == generation), *nodes.unable]
    # Who speaks of another generation has not seen this one yet.
    unknown = [*nodes.unknown, *(node for node, each in excepting if each.generation != generation)]
    carried = nodes.able - len(excepting)
    message = f"carried out by {carried} of {nodes.total} node{'' if nodes.total == 1 else 's'}"
    if against:
        more = f"; and {len(against) - _SHOWN} more" if len(against) > _SHOWN else ""
        message += f"; {'; '.join(f'not by {node}: {why}' for node, why in against[:_SHOWN])}{more}"
        value, reason = "False", NOT_CARRIED_OUT
    elif unknown or not nodes.total:
        value, reason = "Unknown", PENDING
        message += f"; nothing is heard yet of {', '.join(unknown[:_SHOWN])}" if unknown else ""
    else:
        value, reason = "True", CARRIED_OUT
    known: list[Object] = (policy.get("status") or {}).get("conditions") or []
    since = next((each.get("lastTransitionTime") for each in known if (each.get("type"), each.get("status")) == (ACCEPTED, value)), None)
    condition = {
        "type": ACCEPTED,
        "status": value,
        "reason": reason,
        "message": message[:1000],
        "observedGeneration": generation,
        "lastTransitionTime": since or now,
    }
    return {"conditions": [*(each for each in known if each.get("type") != ACCEPTED), condition]}
