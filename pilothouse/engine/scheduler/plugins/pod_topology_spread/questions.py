"""What constraints ask of the counts of pods by place. Pods that are being deleted are not counted: their place is free soon."""

from collections.abc import Callable

from pilothouse.engine.scheduler.plugins.taint_toleration import untolerated
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.engine.scheduler.snapshot.spread import Constraint
from pilothouse.engine.scheduler.snapshot.tally import Question
from pilothouse.engine.scheduler.snapshot.terms import NamespaceLabels


def hard_question(constraint: Constraint, keys: tuple[str, ...], shape: Shape) -> Question:
    """keys: of all hard constraints; nodes that lack one of them do not count."""
    return _question(constraint, keys, shape, has_domains=True)


def soft_question(constraint: Constraint, keys: tuple[str, ...], shape: Shape) -> Question:
    """keys: labels that nodes must have to count."""
    return _question(constraint, keys, shape, has_domains=False)


def _question(constraint: Constraint, keys: tuple[str, ...], shape: Shape, *, has_domains: bool) -> Question:
    namespace, selector = shape.namespace, constraint.selector

    def selects(other: Shape, labels_of: NamespaceLabels) -> bool:
        return other.namespace == namespace and selector.matches(other.labels)

    # A node without the label itself is no place anyway.
    keys = tuple(key for key in keys if key != constraint.topology_key)
    honours_affinity = constraint.honours_affinity and not shape.needs.nodes.is_everything
    is_picky = honours_affinity or constraint.honours_taints
    flags = b"%d%d%d" % (has_domains, honours_affinity, constraint.honours_taints)
    parts = [b"spread", flags, namespace.encode(), constraint.topology_key.encode(), ",".join(keys).encode(), constraint.mark]
    if is_picky:
        parts.append(shape.needs.mark)
    includes = _inclusion(constraint, keys, shape) if is_picky or keys else None
    return Question(
        b"\0".join(parts), constraint.topology_key, selects, namespace, includes, counts_terminating=False, has_domains=has_domains
    )


def _inclusion(constraint: Constraint, keys: tuple[str, ...], shape: Shape) -> Callable[[NodeInfo], bool]:
    needs = shape.needs

    def includes(node: NodeInfo) -> bool:
        if not all(key in node.labels for key in keys):
            return False
        if constraint.honours_affinity and not needs.nodes.matches(node.name, node.labels):
            return False
        return not constraint.honours_taints or untolerated(needs, node) is None

    return includes
