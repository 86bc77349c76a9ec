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
    seen: set[str] = set()
    for i, mount in field.until_enough(causes, enumerate(container["volumeMounts"])):
        here = f"{path}[{i}]"
        name, target = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            causes.append(field.required(f"{here}.name"))
        if name not in volumes:
            causes.append(field.not_found(f"{here}.name", name))
        if not target:
            causes.append(field.required(f"{here}.mountPath"))
        if target in seen:
            causes.append(field.invalid(f"{here}.mountPath", target, "must be unique"))
        seen.add(target)
        if name in device_names:
            causes.append(field.invalid(f"{here}.name", name, "must not already exist in volumeDevices"))
        if target in device_paths:
            causes.append(field.invalid(f"{here}.mountPath", target, "must not already exist as a path in volumeDevices"))
        if len(mount) > 2:
            causes += _options(mount, container, path, here)
    return causes


def _options(mount: Object, container: Object, path: str, here: str) -> list[Cause]:
    # Upstream reports sub-paths and propagation at the list, not at the mount.
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
        causes += _recursive(recursive, mount, f"{here}.recursiveReadOnly")
    return causes


def _propagation(propagation: str, container: Object, path: str) -> list[Cause]:
    causes = [] if propagation in PROPAGATIONS else [field.not_supported(path, propagation, PROPAGATIONS)]
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
    names: set[str] = set()
    paths: set[str] = set()
    for i, device in field.until_enough(causes, enumerate(container.get("volumeDevices") or ())):
        here = f"{path}[{i}]"
        name, target = device.get("name") or "", device.get("devicePath") or ""
        causes += _device_name(name, volumes, names, here)
        if not target:
            causes.append(field.required(f"{here}.devicePath"))
        if target in paths:
            causes.append(field.invalid(f"{here}.devicePath", target, "must be unique"))
        elif target:
            causes += no_backsteps(target, f"{here}.devicePath")
        names.add(name)
        paths.add(target)
    return causes


def _device_name(name: str, volumes: Mapping[str, Object], seen: set[str], here: str) -> list[Cause]:
    causes = [] if name else [field.required(f"{here}.name")]
    if name in seen:
        causes.append(field.invalid(f"{here}.name", name, "must be unique"))
    volume = volumes.get(name)
    if volume is None:
        return [*causes, field.not_found(f"{here}.name", name)]
    if "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
        causes.append(
            field.invalid(f"{here}.name", name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode")
        )
    return causes
