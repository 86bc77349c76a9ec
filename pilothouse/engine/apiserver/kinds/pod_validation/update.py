"""What may change in a pod: images, a shorter deadline, more tolerations, fewer scheduling gates; little else."""

from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.containers import padded_images
from pilothouse.engine.apiserver.kinds.pod_validation.scheduling import validate_tolerations
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, fingerprint

_FROZEN = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_DEADLINE = "spec.activeDeadlineSeconds"
_DEADLINE_MAX_S = 2**31 - 1
_MUTABLE = ("containers", "initContainers", "activeDeadlineSeconds", "tolerations", "schedulingGates", "terminationGracePeriodSeconds")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_TERMS = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"


def validate_spec_update(spec: Object, old: Object) -> list[Cause]:
    if spec == old:
        return []
    causes: list[Cause] = []
    for kind in field.until_enough(causes, ("containers", "initContainers")):
        found, stop = _containers(spec, old, kind)
        causes += found
        if stop:
            return causes
    found, stop = _deadline(spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    causes += found
    if stop:
        return causes
    causes += _tolerations(spec.get("tolerations") or [], old.get("tolerations") or [])
    causes += _gates(spec, old)
    if old.get("schedulingGates"):
        causes += _narrowed(spec, old)
    if not _rest_is_equal(spec, old):
        causes.append(field.forbidden("spec", _FROZEN))
    return causes


def _containers(spec: Object, old: Object, kind: str) -> tuple[list[Cause], bool]:
    new, path = spec.get(kind) or [], f"spec.{kind}"
    if len(new) != len(old.get(kind) or []):
        return [field.forbidden(path, "pod updates may not add or remove containers")], True
    missing = [field.required(f"{path}[{i}].image") for i, container in enumerate(new) if not container.get("image")]
    return missing + padded_images({kind: new}, "spec"), False


def _deadline(new: int | None, old: int | None) -> tuple[list[Cause], bool]:
    if new is None:
        detail = "must not update from a positive integer to nil value"
        return ([] if old is None else [field.invalid(_DEADLINE, None, detail)]), False
    if not 0 <= new <= _DEADLINE_MAX_S:
        return [field.invalid(_DEADLINE, new, names.out_of_range(0, _DEADLINE_MAX_S))], True
    if old is not None and old < new:
        return [field.invalid(_DEADLINE, new, "must be less than or equal to previous value")], True
    return [], False


def _tolerations(new: list[Object], old: list[Object]) -> list[Cause]:
    """Those that were there stay; only how long a toleration holds may change."""
    kept = {fingerprint(_timeless(toleration)) for toleration in new}
    if all(fingerprint(_timeless(toleration)) in kept for toleration in old):
        return validate_tolerations(new, "spec.tolerations")
    return [field.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]


def _timeless(toleration: Object) -> Object:
    return {name: value for name, value in toleration.items() if name != "tolerationSeconds" and value}


def _gates(spec: Object, old: Object) -> list[Cause]:
    known = {gate.get("name") for gate in old.get("schedulingGates") or ()}
    return [
        field.forbidden(f"spec.schedulingGates[{i}].name", f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'")
        for i, gate in enumerate(spec.get("schedulingGates") or ())
        if gate.get("name") not in known
    ]


def _narrowed(spec: Object, old: Object) -> list[Cause]:
    """While gates hold a pod back, its choice of nodes may still get narrower."""
    selector, before = spec.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    causes: list[Cause] = []
    if any(selector.get(key) != value for key, value in before.items()):
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        causes.append(field.invalid("spec.nodeSelector", spec.get("nodeSelector"), detail))
    terms, old_terms = _terms(spec), _terms(old)
    if not old_terms or terms == old_terms:
        return causes
    if len(terms) != len(old_terms):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [*causes, field.invalid(_TERMS, terms, detail)]
    return causes + [
        field.invalid(f"{_TERMS}[{i}]", term, "only additions are allowed (no mutations or deletions)")
        for i, (term, old_term) in enumerate(zip(terms, old_terms, strict=True))
        if not _only_adds(term, old_term)
    ]


def _terms(spec: Object) -> list[Object]:
    found: list[Object] = (_node_affinity(spec).get(_REQUIRED) or {}).get("nodeSelectorTerms") or []
    return found


def _node_affinity(spec: Object) -> Object:
    found: Object = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return found


def _only_adds(term: Object, old: Object) -> bool:
    """A term without any requirement matches nothing, and goes on doing so."""
    parts = [(term.get(name) or [], old.get(name) or []) for name in ("matchExpressions", "matchFields")]
    if not any(before for _, before in parts):
        return not any(new for new, _ in parts)
    return all(new[: len(before)] == before for new, before in parts)


def _rest_is_equal(spec: Object, old: Object) -> bool:
    grace_s, old_grace_s = spec.get("terminationGracePeriodSeconds"), old.get("terminationGracePeriodSeconds")
    if grace_s != old_grace_s and not (grace_s == 1 and old_grace_s is not None and old_grace_s < 0):
        return False
    if any(_imageless(spec.get(kind)) != _imageless(old.get(kind)) for kind in ("containers", "initContainers")):
        return False
    judged = ("nodeSelector", "affinity") if old.get("schedulingGates") else ()
    if judged and _pod_affinities(spec) != _pod_affinities(old):
        return False
    fixed = {*spec, *old} - {*_MUTABLE, *judged}
    return all(_value(spec.get(name)) == _value(old.get(name)) for name in fixed)


def _pod_affinities(spec: Object) -> list[Any]:
    return [_value((spec.get("affinity") or {}).get(name)) for name in ("podAffinity", "podAntiAffinity")]


def _value(value: Any) -> Any:
    """Empty collections and absent fields are the same."""
    return value if value or value in (0, False) else None


def _imageless(containers: list[Object] | None) -> list[Object]:
    return [{name: value for name, value in container.items() if name != "image"} for container in containers or ()]
