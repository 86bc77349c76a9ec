"""What may change in a Job's spec: little, and more of its template while it is suspended."""

from copy import deepcopy

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.meta import is_true

_DIRECTIVES = ("nodeSelector", "tolerations", "schedulingGates")
_IMMUTABLE = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def validate_spec_update(spec: Object, old: Object) -> list[Cause]:
    """spec: the new one. old: the stored job."""
    before = old.get("spec") or {}
    causes = _completions(spec, before)
    causes += field.immutable("spec.selector", spec.get("selector"), before.get("selector"))
    causes += _template(spec.get("template") or {}, old)
    for name in field.until_enough(causes, _IMMUTABLE):
        causes += field.immutable(f"spec.{name}", spec.get(name), before.get(name))
    return causes


def _completions(spec: Object, before: Object) -> list[Cause]:
    """Fixed, unless an indexed job scales completions and parallelism together."""
    wanted = spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        return field.immutable("spec.completions", wanted, before.get("completions"))
    if wanted in (None, before.get("completions"), spec.get("parallelism")):
        return []
    return [field.invalid("spec.completions", wanted, "can only be modified in tandem with spec.parallelism")]


def _template(new: Object, old: Object) -> list[Cause]:
    before = (old.get("spec") or {}).get("template") or {}
    if new == before:
        return []
    if _is_stopped(old):
        new_fixed, old_fixed = _without_directives(new), _without_directives(before)
        if not (old.get("status") or {}).get("active"):
            new_fixed, old_fixed = _without_amounts(new_fixed), _without_amounts(old_fixed)
        if new_fixed == old_fixed:
            return []
    return [field.invalid("spec.template", new, field.IMMUTABLE)]


def _is_stopped(job: Object) -> bool:
    """Whether it is suspended, and has never run or has been seen to stop."""
    status = job.get("status") or {}
    has_stopped = not status.get("startTime") or (is_true(job, "Suspended") and not status.get("active"))
    return bool((job.get("spec") or {}).get("suspend")) and has_stopped


def _without_directives(template: Object) -> Object:
    """All but labels, annotations and the choice of nodes."""
    spec = {name: value for name, value in (template.get("spec") or {}).items() if name not in _DIRECTIVES}
    affinity = {kind: value for kind, value in (spec.pop("affinity", None) or {}).items() if kind != "nodeAffinity"}
    meta = {name: value for name, value in (template.get("metadata") or {}).items() if name not in ("labels", "annotations")}
    return {"spec": spec, "affinity": affinity, "metadata": meta}


def _without_amounts(template: Object) -> Object:
    """All but what its containers ask for and may take."""
    kept = deepcopy(template)
    for kind in ("containers", "initContainers"):
        for container in kept["spec"].get(kind) or ():
            resources = container.pop("resources", None) or {}
            if claims := resources.get("claims"):
                container["resources"] = {"claims": claims}
    return kept
