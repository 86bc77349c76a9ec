"""APIServices: which server answers for a version of an API group. This server does for those without a service.

Source: kube-aggregator pkg/apis/apiregistration/{validation,v1/defaults.go}.
"""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column, Kind
from pilothouse.engine.apiserver.kinds.printers.text import AGE_COLUMN, age
from pilothouse.model import kinds, meta, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

AVAILABLE = "Available"
LOCAL = "Local"
_GROUP_PRIORITY_MAX, _VERSION_PRIORITY_MAX = 20000, 1000


def service_of(obj: Object) -> Object | None:
    """The service in front of the server that answers, None for this one."""
    found: Object | None = (obj.get("spec") or {}).get("service")
    return found


def name_of(group: str, version: str) -> str:
    return f"{version}.{group}"


def _default(obj: Object) -> None:
    service = service_of(obj)
    if service is not None and service.get("port") is None:
        service["port"] = 443


def _validate(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    group, version = spec.get("group") or "", spec.get("version") or ""
    causes = metadata.validate(obj, names.path_segment, namespaced=False)
    if (name := obj["metadata"].get("name")) and name != name_of(group, version):
        causes.append(field.invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{name_of(group, version)}"'))
    if not group and version != "v1":
        causes.append(field.required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    causes += field.each_invalid("spec.group", group, names.dns1123_subdomain(group)) if group else []
    causes += field.each_invalid("spec.version", version, names.dns1035_label(version))
    causes += _priority("spec.groupPriorityMinimum", spec.get("groupPriorityMinimum") or 0, _GROUP_PRIORITY_MAX)
    causes += _priority("spec.versionPriority", spec.get("versionPriority") or 0, _VERSION_PRIORITY_MAX)
    return causes + _service(spec)


def _priority(path: str, value: int, most: int) -> list[Cause]:
    return [] if 0 < value <= most else [field.invalid(path, value, f"must be positive and less than {most}")]


def _service(spec: Object) -> list[Cause]:
    service, bundle, skips = spec.get("service"), spec.get("caBundle"), spec.get("insecureSkipTLSVerify")
    if service is None:
        causes = [field.invalid("spec.caBundle", "...", "local APIServices may not have a caBundle")] if bundle else []
        return causes + ([field.invalid("spec.insecureSkipTLSVerify", skips, "may not be true for a local APIService")] if skips else [])
    causes = [field.required(f"spec.service.{name}") for name in ("namespace", "name") if not service.get(name)]
    causes += field.each_invalid("spec.service.port", service.get("port"), names.port_number(service.get("port") or 0))
    if skips and bundle:
        causes.append(field.invalid("spec.insecureSkipTLSVerify", skips, "may not be true if caBundle is present"))
    return causes


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + _validate(obj)


def _cells(obj: Object, now: datetime) -> list[Any]:
    service = service_of(obj)
    found = meta.condition(obj, AVAILABLE) or {}
    state = found.get("status", "Unknown")
    shown = state if state == "True" or not found.get("reason") else f"{state} ({found['reason']})"
    return [obj["metadata"]["name"], LOCAL if service is None else f"{service['namespace']}/{service['name']}", shown, age(obj, now)]


APISERVICE = Kind(
    kinds.APISERVICES,
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
    default=_default,
    prepare_create=strategy.create(status={}, generation=False),
    prepare_update=strategy.update(generation=False),
    validate=_validate,
    validate_update=_validate_update,
    columns=(
        NAME_COLUMN,
        Column("Service", "The service in front of the server that answers, Local for this one."),
        Column("Available", "Whether the group's version is answered for."),
        AGE_COLUMN,
    ),
    cells=_cells,
)
