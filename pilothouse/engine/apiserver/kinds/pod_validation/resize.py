"""Resources of containers that run: changed through a subresource of their own, and nothing else on that way.

Source: pkg/registry/core/pod (podResizeStrategy), pkg/apis/core/validation (ValidatePodResize).
"""

from collections.abc import Callable

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.resources import RESIZABLE
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, same

_KINDS = ("containers", "initContainers")
_WRITTEN = ("resourceVersion", "managedFields")


def keep_all_but_resources(obj: Object, old: Object) -> None:
    """In place: of the new object only the containers' resources count. Other containers, or another order, are left to be refused."""
    sent = obj.get("spec") or {}
    written = {name: obj["metadata"][name] for name in _WRITTEN if name in obj["metadata"]}
    kept = {name: value for name, value in old["metadata"].items() if name not in _WRITTEN}
    spec = dict(old.get("spec") or {})
    for kind in _KINDS:
        if kind in spec or sent.get(kind):
            spec[kind] = _resized(sent.get(kind) or [], spec.get(kind) or [])
    if sent.get("resources") is not None:
        spec["resources"] = sent["resources"]
    obj.clear()
    obj.update(old)
    obj["metadata"] = kept | written
    obj["spec"] = spec


def _resized(sent: list[Object], stored: list[Object]) -> list[Object]:
    if _names(sent) != _names(stored):
        return sent
    return [each | {"resources": new.get("resources") or {}} for new, each in zip(sent, stored, strict=True)]


def _names(containers: list[Object]) -> list[object]:
    return [each.get("name") for each in containers]


def validate_resize(spec: Object, old: Object, quality: Callable[[Object], str]) -> list[Cause]:
    """quality: the QoS class of a pod with that spec."""
    if (old.get("os") or {}).get("name") == "windows":
        return [field.forbidden("spec", "windows pods cannot be resized")]
    if old.get("resources") and not same(spec.get("resources"), old["resources"]):
        why = "resources of a pod as a whole cannot be changed while it runs; change them in what makes the pod"
        return [field.forbidden("spec.resources", why)]
    if spec.get("resources") and not old.get("resources"):
        return [field.forbidden("spec.resources", "resources of a pod as a whole cannot be given to one that runs")]
    causes: list[Cause] = []
    if quality(spec) != quality(old):
        causes.append(field.invalid("spec", quality(spec), "Pod QOS Class may not change as a result of resizing"))
    for kind in _KINDS:
        if _names(spec.get(kind) or []) != _names(old.get(kind) or []):
            return [*causes, field.forbidden(f"spec.{kind}", f"{kind} may not be renamed or reordered on resize")]
        pairs = zip(spec.get(kind) or (), old.get(kind) or (), strict=True)
        for i, (new, before) in field.until_enough(causes, enumerate(pairs)):
            causes += _of_container(new, before, f"spec.{kind}[{i}].resources", is_init=kind == "initContainers")
    return causes


def _of_container(new: Object, before: Object, path: str, *, is_init: bool) -> list[Cause]:
    now, then = new.get("resources") or {}, before.get("resources") or {}
    if same(now, then):
        return []
    if is_init and before.get("restartPolicy") != "Always":
        return [field.forbidden(path, "resources for non-sidecar init containers are immutable")]
    causes: list[Cause] = []
    if not same(_rest(now), _rest(then)):
        causes.append(field.forbidden(path, "only cpu and memory resources are mutable"))
    return causes + [
        field.forbidden(f"{path}.{side}", f"resource {side} cannot be removed")
        for side in ("requests", "limits")
        if any(name in (then.get(side) or {}) and name not in (now.get(side) or {}) for name in RESIZABLE)
    ]


def _rest(resources: Object) -> Object:
    """All that no resize may change."""
    sides = {
        side: {name: value for name, value in (resources.get(side) or {}).items() if name not in RESIZABLE}
        for side in ("requests", "limits")
    }
    return {name: value for name, value in resources.items() if name not in sides} | sides
