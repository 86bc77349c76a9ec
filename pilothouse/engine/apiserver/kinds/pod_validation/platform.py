"""What a pod may not ask for on the operating system it names, and in a user namespace of its own."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.visit import containers
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

SYSTEMS = ("linux", "windows")
# In upstream's order; a name with a dot is a field of the pod's security context.
_NO_WINDOWS_POD = (
    "securityContext.appArmorProfile",
    "securityContext.seLinuxOptions",
    "hostUsers",
    "hostPID",
    "hostIPC",
    "securityContext.seccompProfile",
    "securityContext.fsGroup",
    "securityContext.fsGroupChangePolicy",
    "securityContext.sysctls",
    "shareProcessNamespace",
    "securityContext.runAsUser",
    "securityContext.runAsGroup",
    "securityContext.supplementalGroups",
    "securityContext.supplementalGroupsPolicy",
    "securityContext.seLinuxChangePolicy",
)
_ONLY_WHEN_TRUE = ("hostPID", "hostIPC", "securityContext.sysctls")
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
_WITHOUT_HOST_USERS = "when `hostUsers` is false"


def validate_os(spec: Object, path: str) -> list[Cause]:
    name = spec["os"].get("name") or ""
    if not name:
        return [field.required(f"{path}.os.name")]
    if name not in SYSTEMS:
        return [field.not_supported(f"{path}.os", name, SYSTEMS)]
    return _windows(spec, path) if name == "windows" else _linux(spec, path)


def _contexts(spec: Object, path: str) -> list[tuple[Object, str]]:
    return [(container.get("securityContext") or {}, f"{here}.securityContext") for container, here in containers(spec, path)]


def _linux(spec: Object, path: str) -> list[Cause]:
    contexts = [(spec.get("securityContext") or {}, f"{path}.securityContext"), *_contexts(spec, path)]
    detail = "windows options cannot be set for a linux pod"
    return [field.forbidden(f"{here}.windowsOptions", detail) for context, here in contexts if context.get("windowsOptions") is not None]


def _windows(spec: Object, path: str) -> list[Cause]:
    detail = "cannot be set for a windows pod"
    causes = [field.forbidden(f"{path}.{name}", detail) for name in _NO_WINDOWS_POD if _is_set(spec, name)]
    for own, here in field.until_enough(causes, _contexts(spec, path)):
        causes += [field.forbidden(f"{here}.{name}", detail) for name in _NO_WINDOWS_CONTAINER if own.get(name) is not None]
    return causes


def _is_set(spec: Object, name: str) -> bool:
    of_context, dot, own = name.partition(".")
    value = (spec.get(of_context) or {}).get(own) if dot else spec.get(name)
    return bool(value) if name in _ONLY_WHEN_TRUE else value is not None


def validate_user_namespace(spec: Object, path: str) -> list[Cause]:
    """path: of the pod's spec."""
    if spec.get("hostUsers") is not False:
        return []
    # Upstream writes two of the paths with a capital.
    fields = {"hostNetwork": "hostNetwork", "hostPID": "HostPID", "hostIPC": "HostIPC"}
    causes = [field.forbidden(f"{path}.{shown}", _WITHOUT_HOST_USERS) for name, shown in fields.items() if spec.get(name)]
    return causes + [
        field.forbidden(f"{here}.volumeDevices", _WITHOUT_HOST_USERS)
        for container, here in containers(spec, path)
        if container.get("volumeDevices")
    ]
