"""What a pod may not ask for on the operating system it names."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

SYSTEMS = ("linux", "windows")
_CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
_NO_WINDOWS_POD = ("hostPID", "hostIPC", "shareProcessNamespace")
_NO_WINDOWS_CONTEXT = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
)
_NO_WINDOWS_CONTAINER = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)


def validate_os(spec: Object, path: str) -> list[Cause]:
    name = spec["os"].get("name") or ""
    if not name:
        return [field.required(f"{path}.os.name", "cannot be empty")]
    if name not in SYSTEMS:
        return [field.not_supported(f"{path}.os", name, SYSTEMS)]
    return _windows(spec, path) if name == "windows" else _linux(spec, path)


def _contexts(spec: Object, path: str) -> list[tuple[Object, str]]:
    return [
        (container.get("securityContext") or {}, f"{path}.{kind}[{i}].securityContext")
        for kind in _CONTAINER_LISTS
        for i, container in enumerate(spec.get(kind) or ())
    ]


def _linux(spec: Object, path: str) -> list[Cause]:
    contexts = [(spec.get("securityContext") or {}, f"{path}.securityContext"), *_contexts(spec, path)]
    detail = "windows options cannot be set for a linux pod"
    return [field.forbidden(f"{here}.windowsOptions", detail) for context, here in contexts if context.get("windowsOptions") is not None]


def _windows(spec: Object, path: str) -> list[Cause]:
    detail = "cannot be set for a windows pod"
    context = spec.get("securityContext") or {}
    causes = [field.forbidden(f"{path}.securityContext.{name}", detail) for name in _NO_WINDOWS_CONTEXT if context.get(name) is not None]
    causes += [field.forbidden(f"{path}.{name}", detail) for name in _NO_WINDOWS_POD if spec.get(name)]
    if spec.get("hostUsers") is not None:
        causes.append(field.forbidden(f"{path}.hostUsers", detail))
    for own, here in field.until_enough(causes, _contexts(spec, path)):
        causes += [field.forbidden(f"{here}.{name}", detail) for name in _NO_WINDOWS_CONTAINER if own.get(name) is not None]
    return causes
