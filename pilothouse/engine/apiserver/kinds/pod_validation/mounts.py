"""Volume mounts and block devices of containers."""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.paths import descending, no_backsteps
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def validate_mounts(container: Object, volumes: Mapping[str, Object], path: str) -> list[Cause]:
    """volumes: the pod's valid volumes by name; a mount of an invalid one is not found."""
    causes: list[Cause] = []
    devices = container.get("volumeDevices") or ()
    device_names = {device.get("name") for device in devices}
    device_paths = {device.get("devicePath") for device in devices}
    unique = field.Unique()
    for i, mount in field.until_enough(causes, enumerate(container["volumeMounts"])):
        here = f"{path}[{i}]"
        name, target = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            causes.append(field.required(f"{here}.name"))
        if name not in volumes:
            causes.append(field.not_found(f"{here}.name", name))
        if not target:
            causes.append(field.required(f"{here}.mountPath"))
        if unique.repeats(target):
            causes.append(field.invalid(f"{here}.mountPath", target, "must be unique"))
        if name in device_names:
            causes.append(field.invalid(f"{here}.name", name, "must not already exist in volumeDevices"))
        if target in device_paths:
            causes.append(field.invalid(f"{here}.mountPath", target, "must not already exist as a path in volumeDevices"))
        if len(mount) > 2:
            causes += _options(mount, container, path, here)
    return causes


def _options(mount: Object, container: Object, path: str, here: str) -> list[Cause]:
    # Upstream reports sub-paths, propagation and recursion at the list, not at the mount.
    causes: list[Cause] = []
    if below := mount.get("subPath"):
        causes += descending(below, f"{path}.subPath")
    if expression := mount.get("subPathExpr"):
        if below:
            causes.append(field.invalid(f"{here}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive"))
        causes += descending(expression, f"{path}.subPathExpr")
    if (propagation := mount.get("mountPropagation")) is not None:
        causes += _propagation(propagation, container, f"{path}.mountPropagation")
    if (recursive := mount.get("recursiveReadOnly")) is not None:
        causes += _recursive(recursive, mount, f"{path}.recursiveReadOnly")
    return causes


def _propagation(propagation: str, container: Object, path: str) -> list[Cause]:
    causes = field.none_or_one_of(path, propagation, PROPAGATIONS)
    privileged = (container.get("securityContext") or {}).get("privileged")
    if propagation == "Bidirectional" and not privileged:
        causes.append(field.forbidden(path, "Bidirectional mount propagation is available only to privileged containers"))
    return causes


def _recursive(recursive: str, mount: Object, path: str) -> list[Cause]:
    if recursive not in RECURSIVE:
        return [field.not_supported(path, recursive, RECURSIVE)]
    if recursive == "Disabled":
        return []
    causes = [] if mount.get("readOnly") else [field.forbidden(path, "may only be specified when readOnly is true")]
    if mount.get("mountPropagation") not in (None, "None"):
        causes.append(field.forbidden(path, "may only be specified when mountPropagation is None or not specified"))
    return causes


def validate_devices(container: Object, volumes: Mapping[str, Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    names, paths = field.Unique(), field.Unique()
    mounts = container.get("volumeMounts") or ()
    mounted = {mount.get("name") or "" for mount in mounts}, {mount.get("mountPath") or "" for mount in mounts}
    for i, device in field.until_enough(causes, enumerate(container.get("volumeDevices") or ())):
        here = f"{path}[{i}]"
        name, target = device.get("name") or "", device.get("devicePath") or ""
        causes += _device_name(name, volumes, names, here) + _device_path(target, paths, f"{here}.devicePath")
        if name in mounted[0]:
            causes.append(field.invalid(f"{here}.name", name, "must not already exist in volumeMounts"))
        if target in mounted[1]:
            causes.append(field.invalid(f"{here}.devicePath", target, "must not already exist as a path in volumeMounts"))
    return causes


def _device_path(target: str, seen: field.Unique, path: str) -> list[Cause]:
    if no_backsteps(target, path):
        return [field.invalid(path, target, "can not contain backsteps ('..')")]
    causes = [] if target else [field.required(path)]
    return [*causes, field.invalid(path, target, "must be unique")] if seen.repeats(target) else causes


def _device_name(name: str, volumes: Mapping[str, Object], seen: field.Unique, here: str) -> list[Cause]:
    causes = [] if name else [field.required(f"{here}.name")]
    if name and seen.repeats(name):
        causes.append(field.invalid(f"{here}.name", name, "must be unique"))
    volume = volumes.get(name)
    if volume is None:
        return [*causes, field.not_found(f"{here}.name", name)]
    if "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
        causes.append(
            field.invalid(f"{here}.name", name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode")
        )
    return causes
