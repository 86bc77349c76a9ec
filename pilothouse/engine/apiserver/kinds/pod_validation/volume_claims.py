"""Claims, and the templates of claims inside ephemeral volumes.

Source: pkg/apis/core/validation (ValidatePersistentVolumeClaimSpec, ValidatePersistentVolumeClaimTemplate).
"""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.metadata import annotations, labels
from pilothouse.engine.apiserver.kinds.quantities import amount
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_ALONE = "ReadWriteOncePod"
_CLAIM = "PersistentVolumeClaim"
# Of object metadata, in the order of the schema's type; upstream writes the path of `uid` with a capital.
_NOT_IN_TEMPLATES = {
    "name": "name",
    "generateName": "generateName",
    "namespace": "namespace",
    "selfLink": "selfLink",
    "uid": "uID",
    "resourceVersion": "resourceVersion",
    "generation": "generation",
    "creationTimestamp": "creationTimestamp",
    "deletionTimestamp": "deletionTimestamp",
    "deletionGracePeriodSeconds": "deletionGracePeriodSeconds",
    "ownerReferences": "ownerReferences",
    "finalizers": "finalizers",
    "managedFields": "managedFields",
}


def validate_claim_template(template: Object, path: str) -> list[Cause]:
    meta, here = template.get("metadata") or {}, f"{path}.metadata"
    causes = annotations(meta.get("annotations") or {}, f"{here}.annotations") + labels(meta.get("labels") or {}, f"{here}.labels")
    causes += [field.forbidden(f"{here}.{shown}", "cannot be set") for name, shown in _NOT_IN_TEMPLATES.items() if meta.get(name)]
    return causes + validate_claim_spec(template.get("spec") or {}, f"{path}.spec")


def validate_claim_spec(spec: Object, path: str) -> list[Cause]:
    """Of a claim, or of the template of one."""
    causes = _access_modes(spec, path)
    causes += _storage((spec.get("resources") or {}).get("requests") or {}, f"{path}.resources[storage]")
    if name := spec.get("storageClassName"):
        causes += field.each_invalid(f"{path}.storageClassName", name, names.dns1123_subdomain(name))
    causes += field.none_or_one_of(f"{path}.volumeMode", spec.get("volumeMode"), VOLUME_MODES)
    for kind in field.until_enough(causes, ("dataSource", "dataSourceRef")):
        if (source := spec.get(kind)) is not None:
            causes += _data_source(source, f"{path}.{kind}")
    if name := spec.get("volumeAttributesClassName"):
        causes += field.each_invalid(f"{path}.volumeAttributesClassName", name, names.dns1123_subdomain(name))
    return causes


def _access_modes(spec: Object, path: str) -> list[Cause]:
    modes, here = spec.get("accessModes") or [], f"{path}.accessModes"
    causes = [] if modes else [field.required(here, "at least 1 access mode is required")]
    causes += validate_label_selector(spec.get("selector"), f"{path}.selector")
    return causes + _known_modes(modes, here)


def validate_access_modes(modes: list[str], path: str) -> list[Cause]:
    """Of a volume."""
    return ([] if modes else [field.required(path)]) + _known_modes(modes, path)


def _known_modes(modes: list[str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for mode in field.until_enough(causes, modes):
        causes += field.none_or_one_of(path, mode, ACCESS_MODES)
    if _ALONE in modes and any(mode in ACCESS_MODES and mode != _ALONE for mode in modes):
        causes.append(field.forbidden(path, f"may not use {_ALONE} with other access modes"))
    return causes


def _storage(requests: Object, path: str) -> list[Cause]:
    if "storage" not in requests:
        return [field.required(path)]
    found = amount(requests["storage"])
    return [] if found.amount > 0 else [field.invalid(path, str(found), "must be greater than zero")]


def _data_source(source: Object, path: str) -> list[Cause]:
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    causes = [field.required(f"{path}.{name}") for name in ("name", "kind") if not source.get(name)]
    if not group and kind != _CLAIM:
        causes.append(field.invalid(path, kind, f"must be '{_CLAIM}' when referencing the default apiGroup"))
    return causes + (field.each_invalid(f"{path}.apiGroup", group, names.dns1123_subdomain(group)) if group else [])
