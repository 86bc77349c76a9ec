"""PersistentVolumes: pieces of storage that claims are bound to.

Source: pkg/apis/core/validation (ValidatePersistentVolume*), pkg/registry/core/persistentvolume/strategy.go.
"""

import posixpath

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.engine.apiserver.kinds.pod_validation.resources import quantity
from pilothouse.engine.apiserver.kinds.pod_validation.scheduling import validate_node_selector
from pilothouse.engine.apiserver.kinds.pod_validation.volume_claims import VOLUME_MODES, validate_access_modes
from pilothouse.engine.apiserver.kinds.printers import storage as printer
from pilothouse.engine.apiserver.kinds.quantities import amount, round_amounts
from pilothouse.engine.apiserver.kinds.storage.volume_sources import RULES
from pilothouse.engine.apiserver.kinds.volume_defaults import default_source
from pilothouse.model import kinds, meta, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, same

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
_FOR_GROWTH = "controllerExpandSecretRef"
_NOT_INLINE = ("claimRef", "persistentVolumeReclaimPolicy", "storageClassName", "nodeAffinity")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    strategy.fill(spec, "persistentVolumeReclaimPolicy", "Retain")
    default_spec(spec)


def default_spec(spec: Object) -> None:
    """Also of a volume that an attachment describes itself."""
    strategy.fill(spec, "volumeMode", "Filesystem")
    for kind in RULES:
        if spec.get(kind) is not None:
            default_source(kind, spec[kind])
    if capacity := spec.get("capacity"):
        round_amounts(capacity)


def _prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": meta.rfc3339(context.now.timestamp())}


_update = strategy.update(generation=False)


def _prepare_update(obj: Object, old: Object, context: Context) -> None:
    _update(obj, old, context)
    if context.subresource != "status":
        return
    status, before = obj.setdefault("status", {}), old.get("status") or {}
    is_timed = status.get("lastPhaseTransitionTime") not in (None, before.get("lastPhaseTransitionTime"))
    if status.get("phase") != before.get("phase") and not is_timed:
        status["lastPhaseTransitionTime"] = meta.rfc3339(context.now.timestamp())


def _validate(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    causes += validate_access_modes(spec.get("accessModes") or [], "spec.accessModes") + _capacity(spec.get("capacity") or {})
    policy = spec.get("persistentVolumeReclaimPolicy") or None
    causes += field.none_or_one_of("spec.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES)
    affinity = spec.get("nodeAffinity")
    causes += _affinity(affinity) if affinity is not None else []
    causes += _source(spec, "spec")
    if posixpath.normpath((spec.get("hostPath") or {}).get("path") or ".") == "/" and policy == "Recycle":
        causes.append(field.forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'"))
    if name := spec.get("storageClassName"):
        causes += field.each_invalid("spec.storageClassName", name, names.dns1123_subdomain(name))
    causes += field.none_or_one_of("spec.volumeMode", spec.get("volumeMode"), VOLUME_MODES)
    return causes + _attributes_class(spec)


def _attributes_class(spec: Object) -> list[Cause]:
    name, path = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    if name is None:
        return []
    causes = (
        field.each_invalid(path, name, names.dns1123_subdomain(name)) if name else [field.required(path, "an empty string is disallowed")]
    )
    return (
        causes
        if spec.get("csi") is not None
        else [*causes, field.required("spec.csi", "has to be specified when using volumeAttributesClassName")]
    )


def validate_inline_spec(spec: Object, path: str) -> list[Cause]:
    """Of a volume that an attachment describes itself, without an object of its own."""
    set_here = [name for name in _NOT_INLINE if spec.get(name) is not None and spec[name] != ""]
    causes = [field.forbidden(f"{path}.{name}", "may not be specified in the context of inline volumes") for name in set_here]
    if spec.get("csi") is None:
        causes.append(field.required(f"{path}.csi", "has to be specified in the context of inline volumes"))
    causes += validate_access_modes(spec.get("accessModes") or [], f"{path}.accessModes") + _source(spec, path)
    if spec.get("volumeMode") not in (None, "Filesystem"):
        detail = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        causes.append(field.forbidden(f"{path}.volumeMode", detail))
    return causes


def _capacity(capacity: Object) -> list[Cause]:
    causes = [] if capacity else [field.required("spec.capacity")]
    if set(capacity) != {"storage"}:
        causes.append(field.not_supported("spec.capacity", capacity, ("storage",)))
    for name, value in field.until_enough(causes, capacity.items()):
        path = f"spec.capacity[{name}]"
        causes += quantity(value, path)
        if amount(value).amount <= 0:
            causes.append(field.invalid(path, str(amount(value)), "must be greater than zero"))
    return causes


def _affinity(affinity: Object) -> list[Cause]:
    path = "spec.nodeAffinity.required"
    required = affinity.get("required")
    return (
        validate_node_selector(required, path) if required is not None else [field.required(path, "must specify required node constraints")]
    )


def _source(spec: Object, path: str) -> list[Cause]:
    given = [kind for kind in RULES if spec.get(kind) is not None]
    if not given:
        return [field.required(path, "must specify a volume type")]
    causes = RULES[given[0]](spec[given[0]], f"{path}.{given[0]}")
    causes += [field.forbidden(f"{path}.{other}", "may not specify more than 1 volume type") for other in given[1:]]
    if spec.get("local") is not None and not (spec.get("nodeAffinity") or {}).get("required"):
        causes.append(field.required(f"{path}.nodeAffinity", "Local volume requires node affinity"))
    return causes


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    causes = metadata.validate_update(obj, old) + _validate(obj)
    if not same({kind: spec.get(kind) for kind in RULES}, _settled_sources(spec, before)):
        what = "spec.persistentvolumesource"
        causes.append(field.forbidden(what, f"{what} is immutable after creation"))
    causes += field.immutable("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
        causes.append(field.forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden"))
    if before.get("nodeAffinity") is not None:
        causes += field.immutable("nodeAffinity", spec.get("nodeAffinity"), before["nodeAffinity"])
    return causes


def _settled_sources(spec: Object, before: Object) -> Object:
    """What the sources must be: as they were, but that a CSI volume may be given the Secret for its growth later."""
    found = {kind: before.get(kind) for kind in RULES}
    added = (spec.get("csi") or {}).get(_FOR_GROWTH)
    if added is not None and found["csi"] is not None and found["csi"].get(_FOR_GROWTH) is None:
        found["csi"] = found["csi"] | {_FOR_GROWTH: added}
    return found


def _validate_status_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old)


PERSISTENTVOLUME = Kind(
    kinds.PERSISTENTVOLUMES,
    "io.k8s.api.core.v1.PersistentVolume",
    default=default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status_update,
    columns=printer.VOLUME_COLUMNS,
    cells=printer.volume_cells,
    returns_object_on_delete=True,
)
