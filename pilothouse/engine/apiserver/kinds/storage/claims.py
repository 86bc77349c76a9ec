"""PersistentVolumeClaims: what somebody asks for; only how much of it may grow once there is a volume.

Source: pkg/apis/core/validation (ValidatePersistentVolumeClaim*), pkg/registry/core/persistentvolumeclaim/strategy.go.
"""

from copy import deepcopy

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.engine.apiserver.kinds.pod_validation.resources import quantity
from pilothouse.engine.apiserver.kinds.pod_validation.volume_claims import ACCESS_MODES, validate_claim_spec
from pilothouse.engine.apiserver.kinds.printers import storage as printer
from pilothouse.engine.apiserver.kinds.quantities import amount, round_amounts
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, same
from pilothouse.model.volumes import BETA_CLASS

_FROZEN = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    strategy.fill(spec, "volumeMode", "Filesystem")
    strategy.fill(spec, "resources", {})
    for amounts in (spec["resources"].get("requests"), spec["resources"].get("limits"), (obj.get("status") or {}).get("capacity")):
        if amounts:
            round_amounts(amounts)


_create = strategy.create(status={"phase": "Pending"}, generation=False)


def _prepare_create(obj: Object, context: Context) -> None:
    _create(obj, context)
    _same_sources(obj["spec"])


def _same_sources(spec: Object) -> None:
    """A source may be stated by either of two fields, and is found in both."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {name: value for name, value in reference.items() if name != "namespace"}


def _validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + validate_claim_spec(obj.get("spec") or {}, "spec")


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    causes = metadata.validate_update(obj, old) + _validate(obj)
    is_bound = (obj.get("status") or {}).get("phase") == "Bound"
    if not same(_fixed(spec, before, is_bound=is_bound), before | _settled(spec, before)):
        causes.append(field.forbidden("spec", _FROZEN))
    wanted, stated = _storage(spec), _storage(before)
    has = ((old.get("status") or {}).get("capacity") or {}).get("storage")
    if amount(wanted) < amount(stated) and amount(wanted) <= amount(has):
        causes.append(field.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))
    causes += field.immutable("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    return causes + _attributes_class(spec.get("volumeAttributesClassName"), old)


def _attributes_class(name: str | None, old: Object) -> list[Cause]:
    """A class that has been carried out is left for another one only."""
    path, current = "spec.volumeAttributesClassName", "status.currentVolumeAttributesClassName"
    if name or (old.get("status") or {}).get("currentVolumeAttributesClassName") is None:
        return []
    if (old.get("spec") or {}).get("volumeAttributesClassName") == name:
        return []
    return [field.forbidden(path, f"update to {'nil' if name is None else 'empty string'} is forbidden when {current} is not nil")]


def _storage(spec: Object) -> str | None:
    found: str | None = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    return found


def _fixed(spec: Object, before: Object, *, is_bound: bool) -> Object:
    """The new spec without what may have changed."""
    found = deepcopy(spec)
    requests = (found.get("resources") or {}).get("requests")
    if is_bound and requests is not None and (stated := _storage(before)) is not None:
        requests["storage"] = stated
    if is_bound:
        found.pop("volumeAttributesClassName", None)
        if "volumeAttributesClassName" in before:
            found["volumeAttributesClassName"] = before["volumeAttributesClassName"]
    return found


def _settled(spec: Object, before: Object) -> Object:
    """What may be set once: the volume, and the class of a claim that has stated none."""
    found: Object = {}
    if not before.get("volumeName") and spec.get("volumeName"):
        found["volumeName"] = spec["volumeName"]
    if before.get("storageClassName") is None and spec.get("storageClassName") is not None:
        found["storageClassName"] = spec["storageClassName"]
    return found


def _validate_status_update(obj: Object, old: Object) -> list[Cause]:
    status = obj.get("status") or {}
    causes = metadata.validate_update(obj, old)
    for mode in field.until_enough(causes, status.get("accessModes") or ()):
        causes += field.none_or_one_of("status.accessModes", mode, ACCESS_MODES)
    for name, value in field.until_enough(causes, (status.get("capacity") or {}).items()):
        causes += quantity(value, f"status.capacity[{name}]")
    return causes


def _warnings(obj: Object) -> list[str]:
    found = []
    if BETA_CLASS in (obj["metadata"].get("annotations") or {}):
        found.append(f'metadata.annotations[{BETA_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead')
    requests = ((obj.get("spec") or {}).get("resources") or {}).get("requests") or {}
    if "storage" in requests and amount(requests["storage"]).milli_value % 1000:
        found.append(f'spec.resources.requests[storage]: fractional byte value "{requests["storage"]}" is invalid, must be an integer')
    return found


PERSISTENTVOLUMECLAIM = Kind(
    kinds.PERSISTENTVOLUMECLAIMS,
    "io.k8s.api.core.v1.PersistentVolumeClaim",
    default=default,
    prepare_create=_prepare_create,
    prepare_update=strategy.update(generation=False),
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status_update,
    warnings=_warnings,
    warnings_on_update=lambda obj, old: _warnings(obj),
    columns=printer.CLAIM_COLUMNS,
    cells=printer.claim_cells,
    returns_object_on_delete=True,
)
