"""Topology spread constraints of a pod, read once.

Source: kubernetes pkg/scheduler/framework/plugins/podtopologyspread/common.go.
"""

from dataclasses import dataclass

from pilothouse.engine.scheduler.snapshot.terms import selector_of
from pilothouse.model.json import Object, fingerprint
from pilothouse.model.selector import Selector

HOSTNAME, ZONE, REGION = "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region"


@dataclass(frozen=True, slots=True)
class Constraint:
    """is_hard: DoNotSchedule. min_domains: fewer count as if one of them were empty. mark: of the selector.

    honours_affinity, honours_taints: only nodes that the pod may go to for that reason are counted.
    """

    mark: bytes
    topology_key: str
    max_skew: int
    selector: Selector
    is_hard: bool
    min_domains: int = 1
    honours_affinity: bool = True
    honours_taints: bool = False


def constraints_of(spec: Object) -> tuple[Constraint, ...]:
    """matchLabelKeys are part of the selector already: the API server puts them there when a pod is created."""
    return tuple(_constraint(each) for each in spec.get("topologySpreadConstraints") or ())


def _constraint(stated: Object) -> Constraint:
    return Constraint(
        mark=fingerprint(stated.get("labelSelector")),
        topology_key=stated.get("topologyKey") or "",
        max_skew=stated.get("maxSkew") or 1,
        selector=selector_of(stated.get("labelSelector")),
        is_hard=(stated.get("whenUnsatisfiable") or "DoNotSchedule") == "DoNotSchedule",
        min_domains=stated.get("minDomains") or 1,
        honours_affinity=(stated.get("nodeAffinityPolicy") or "Honor") == "Honor",
        honours_taints=stated.get("nodeTaintsPolicy") == "Honor",
    )
