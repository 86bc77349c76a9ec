"""What pods of one template have in common for the scheduler, parsed once for all of them.

`Needs` is what a pod asks of a node by itself; `Shape` adds what matters between pods. Both are compared by identity: `Shapes` gives the
same object for the same content as long as it remembers it, and a second one for the same content costs time, not truth.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.engine.scheduler.demand import Demand, demand_of, scored_demand
from pilothouse.engine.scheduler.snapshot import terms
from pilothouse.engine.scheduler.snapshot.spread import Constraint, constraints_of
from pilothouse.engine.scheduler.snapshot.terms import Term
from pilothouse.model import meta
from pilothouse.model.json import Object, dumps
from pilothouse.model.node_selector import NodeTerm, RequiredNodes, preferred_nodes
from pilothouse.model.taints import tolerates
from pilothouse.model.volumes import claim_names

REMEMBERED = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """mark: the same for the same needs. scored: cpu (milli) and memory (bytes) as scores count them. preferred: weights and the nodes
    they are for."""

    mark: bytes
    demand: Demand
    scored: tuple[int, int]
    nodes: RequiredNodes
    preferred: tuple[tuple[int, NodeTerm], ...]
    tolerations: tuple[Object, ...]

    def tolerates(self, taint: Object) -> bool:
        return any(tolerates(each, taint) for each in self.tolerations)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """affinity, anti: required terms. preferred: both kinds, by the sign of their weights. owner: (kind, name) of the controller.

    images: of all containers, init containers included. claims: names of those that it mounts.
    """

    needs: Needs
    namespace: str
    labels: Mapping[str, str]
    affinity: tuple[Term, ...]
    anti: tuple[Term, ...]
    preferred: tuple[Term, ...]
    constraints: tuple[Constraint, ...]
    images: tuple[str, ...]
    owner: tuple[str, str] | None
    claims: tuple[str, ...]


class Shapes:
    """The least recently seen are forgotten."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._needs: OrderedDict[bytes, Needs] = OrderedDict()
        self._shapes: OrderedDict[bytes, Shape] = OrderedDict()

    def of(self, pod: Object) -> Shape:
        spec, metadata = pod["spec"], pod["metadata"]
        affinity = spec.get("affinity") or {}
        containers, inits = spec.get("containers") or (), spec.get("initContainers") or ()
        wants = [spec.get("nodeSelector"), affinity.get("nodeAffinity"), spec.get("tolerations"), spec.get("overhead")]
        wants += [spec.get("resources"), spec.get("hostNetwork"), _asked(containers), _asked(inits)]
        needs_mark = dumps(wants)
        owner = meta.controller_of(pod)
        others = [metadata.get("namespace"), metadata.get("labels"), affinity.get("podAffinity"), affinity.get("podAntiAffinity")]
        others += [spec.get("topologySpreadConstraints"), [each.get("image") for each in (*containers, *inits)]]
        others += [owner and [owner.get("kind"), owner.get("name")], claim_names(pod)]
        mark = b"%b\0%b" % (needs_mark, dumps(others))
        found = self._shapes.get(mark)
        if found is None:
            found = self._shapes[mark] = _shape(pod, self._needs_of(needs_mark, spec), owner)
            if len(self._shapes) > self._remembered:
                self._shapes.popitem(last=False)
        else:
            self._shapes.move_to_end(mark)
        return found

    def _needs_of(self, mark: bytes, spec: Object) -> Needs:
        found = self._needs.get(mark)
        if found is None:
            pod: Object = {"spec": spec}
            tolerations = tuple(spec.get("tolerations") or ())
            found = Needs(mark, demand_of(pod), scored_demand(spec), RequiredNodes.of(spec), preferred_nodes(spec), tolerations)
            self._needs[mark] = found
            if len(self._needs) > self._remembered:
                self._needs.popitem(last=False)
        else:
            self._needs.move_to_end(mark)
        return found


def _asked(containers: Iterable[Object]) -> list[object]:
    return [[each.get("resources"), each.get("ports"), each.get("restartPolicy")] for each in containers]


def _shape(pod: Object, needs: Needs, owner: Object | None) -> Shape:
    spec, namespace = pod["spec"], meta.namespace(pod)
    affinity = spec.get("affinity") or {}
    near, apart = affinity.get("podAffinity"), affinity.get("podAntiAffinity")
    images = tuple(each.get("image") or "" for each in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())))
    return Shape(
        needs=needs,
        namespace=namespace,
        labels=meta.labels(pod),
        affinity=terms.required(near, namespace),
        anti=terms.required(apart, namespace),
        preferred=terms.preferred(near, namespace, 1) + terms.preferred(apart, namespace, -1),
        constraints=constraints_of(spec),
        images=images,
        owner=None if owner is None else (owner.get("kind") or "", owner.get("name") or ""),
        claims=tuple(claim_names(pod)),
    )
