"""Where a volume is to be reachable: from a driver's nodes to what it is asked, and from its answer to the volume's nodes. Pure.

Source: kubernetes-csi external-provisioner (pkg/controller/topology.go).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, product

from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.json import Object

Segments = Mapping[str, str]
MOST = 256
"""How many places a driver is told of at most."""


def segments_of(driver: str, node: Object, csi_node: Object | None) -> Segments | None:
    """Where a node is in the driver's eyes; None when the driver is not registered there, or the node lacks its labels yet."""
    registered = names.driver_on(csi_node, driver)
    if registered is None:
        return None
    labels, keys = meta.labels(node), registered.get("topologyKeys") or ()
    return {key: labels[key] for key in keys} if all(key in labels for key in keys) else None


def allowed(storage_class: Object) -> list[Segments]:
    """What the class allows, each combination of its values."""
    found: list[Segments] = []
    for term in storage_class.get("allowedTopologies") or ():
        expressions = term.get("matchLabelExpressions") or ()
        keys = [each["key"] for each in expressions]
        combinations = product(*(each.get("values") or () for each in expressions))
        found += [dict(zip(keys, values, strict=True)) for values in islice(combinations, MOST)]
    return _distinct(found)


def requirement(places: Iterable[Segments], selected: Segments | None, storage_class: Object) -> csi.TopologyRequirement | None:
    """places: of the driver's nodes. selected: of the node that the first pod goes to. None when there is nothing to ask for."""
    requisite = allowed(storage_class) or _distinct(places)
    preferred = [each for each in requisite if selected is not None and each.items() <= selected.items()]
    preferred = [*preferred, *([selected] if selected and not preferred else []), *(each for each in requisite if each not in preferred)]
    if not requisite:
        return None
    found = csi.TopologyRequirement()
    for each in requisite[:MOST]:
        found.requisite.add(segments=each)
    for each in preferred[:MOST]:
        found.preferred.add(segments=each)
    return found


def _distinct(places: Iterable[Segments]) -> list[Segments]:
    return [dict(each) for each in sorted({tuple(sorted(place.items())) for place in places if place})]


def node_affinity(accessible: Sequence[csi.Topology]) -> Object | None:
    """Of the volume, from the driver's answer; None when every node reaches it."""
    terms = [
        {"matchExpressions": [{"key": key, "operator": "In", "values": [value]} for key, value in sorted(each.segments.items())]}
        for each in accessible
        if each.segments
    ]
    return {"required": {"nodeSelectorTerms": terms}} if terms else None
