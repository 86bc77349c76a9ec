"""Volumes made of what the API knows: the downward API and projected volumes."""

from collections.abc import Iterable

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.paths import key_to_path, mode, unreserved
from pilothouse.engine.apiserver.kinds.pod_validation.references import VOLUME_FIELDS, field_ref, resource_ref
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

TOKEN_MIN_S = 600
TOKEN_MAX_S = 1 << 32
# In upstream's order.
PROJECTIONS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")


def validate_downward(source: Object, path: str) -> list[Cause]:
    causes = mode(source.get("defaultMode"), f"{path}.defaultMode")
    for item in field.until_enough(causes, source.get("items") or ()):
        causes += _file(item, path)
    return causes


def _file(item: Object, path: str) -> list[Cause]:
    """Upstream reports a file's faults at its volume, not at its place in the list."""
    target = item.get("path") or ""
    causes = [] if target else [field.required(f"{path}.path")]
    causes += unreserved(target, f"{path}.path")
    by_field, by_resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if by_field is not None:
        causes += field_ref(by_field, VOLUME_FIELDS, f"{path}.fieldRef")
        if by_resource is not None:
            causes.append(field.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
    elif by_resource is not None:
        causes += resource_ref(by_resource, f"{path}.resourceFieldRef", in_volume=True)
    else:
        causes.append(field.required(path, "one of fieldRef and resourceFieldRef is required"))
    return causes + mode(item.get("mode"), f"{path}.mode")


def validate_projected(source: Object, path: str) -> list[Cause]:
    causes = mode(source.get("defaultMode"), f"{path}.defaultMode")
    targets = field.Unique()
    for i, projection in field.until_enough(causes, enumerate(source.get("sources") or ())):
        here = f"{path}.sources[{i}]"
        given = [kind for kind in PROJECTIONS if projection.get(kind) is not None]
        for kind in given:
            causes += _projection(kind, projection[kind], targets, here, path)
        if len(given) > 1:
            causes.append(field.forbidden(here, "may not specify more than 1 volume type per source"))
    return causes


def _projection(kind: str, source: Object, targets: field.Unique, here: str, volume: str) -> list[Cause]:
    """here: the path of the source; volume: that of the volume, where upstream reports paths that meet."""
    path = f"{here}.{kind}"
    causes: list[Cause] = []
    if kind in ("secret", "configMap"):
        causes += [] if source.get("name") else [field.required(f"{path}.name")]
        for i, item in field.until_enough(causes, enumerate(source.get("items") or ())):
            causes += key_to_path(item, f"{path}.items[{i}]")
            causes += _meeting([item.get("path")], targets, volume, source.get("name") or "")
    elif kind == "downwardAPI":
        for item in field.until_enough(causes, source.get("items") or ()):
            causes += _file(item, path) + _meeting([item.get("path")], targets, volume)
    elif kind == "serviceAccountToken":
        causes += _token(source, path, volume)
    elif kind == "clusterTrustBundle":
        causes += [] if source.get("path") else [field.required(f"{path}.path")]
    return causes


def _token(source: Object, path: str, volume: str) -> list[Cause]:
    lifetime_s = source.get("expirationSeconds") or 0
    causes: list[Cause] = []
    if lifetime_s < TOKEN_MIN_S:
        causes.append(field.invalid(f"{path}.expirationSeconds", lifetime_s, "may not specify a duration less than 10 minutes"))
    if lifetime_s > TOKEN_MAX_S:
        causes.append(field.invalid(f"{path}.expirationSeconds", lifetime_s, "may not specify a duration larger than 2^32 seconds"))
    target = source.get("path") or ""
    return causes + (unreserved(target, f"{volume}.path") if target else [field.required(f"{volume}.path")])


def _meeting(paths: Iterable[str | None], targets: field.Unique, path: str, shown: str | None = None) -> list[Cause]:
    """shown: what a message names, None for the path that two sources share."""
    return [
        field.invalid(path, target if shown is None else shown, "conflicting duplicate paths")
        for target in paths
        if target and targets.repeats(target)
    ]
