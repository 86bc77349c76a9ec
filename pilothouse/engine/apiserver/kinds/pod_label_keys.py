"""Selectors of a pod that also select by its own labels: matchLabelKeys and mismatchLabelKeys become requirements when it is created.

Source: pkg/registry/core/pod/strategy.go (mutatePodAffinity, mutateTopologySpreadConstraints).
"""

from collections.abc import Iterator, Mapping

from pilothouse.model.json import Object

_REQUIRED, _PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"


def select_own_labels(spec: Object, labels: Mapping[str, str]) -> None:
    """A term without a selector matches nothing, and goes on doing so."""
    for term in _terms(spec):
        if (selector := term.get("labelSelector")) is None:
            continue
        added = [
            {"key": key, "operator": operator, "values": [labels[key]]}
            for name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
            for key in term.get(name) or ()
            if key in labels
        ]
        if added:
            term["labelSelector"] = selector | {"matchExpressions": [*(selector.get("matchExpressions") or ()), *added]}


def _terms(spec: Object) -> Iterator[Object]:
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        of_kind = affinity.get(kind) or {}
        yield from (each.get("podAffinityTerm") or {} for each in of_kind.get(_PREFERRED) or ())
        yield from of_kind.get(_REQUIRED) or ()
    yield from spec.get("topologySpreadConstraints") or ()
