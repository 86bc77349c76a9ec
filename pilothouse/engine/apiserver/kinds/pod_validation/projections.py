"""Volumes made of what the API knows: the downward API and projected volumes."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.paths import key_to_path, mode, unreserved
from pilothouse.engine.apiserver.kinds.pod_validation.references import VOLUME_FIELDS, field_ref, resource_ref
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

TOKEN_MIN_S = 600
TOKEN_MAX_S = 1 << 32


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
    targets: set[str] = set()
    for i, projection in field.until_enough(causes, enumerate(source.get("sources") or ())):
        here = f"{path}.sources[{i}]"
        given = [kind for kind in projection if projection[kind] is not None]
        if len(given) > 1:
            causes.append(field.forbidden(here, "may not specify more than 1 volume type per source"))
        for kind in given:
            causes += _projection(kind, projection[kind], f"{here}.{kind}")
            causes += _conflicts(kind, projection[kind], targets, path)
    return causes


def _projection(kind: str, source: Object, path: str) -> list[Cause]:
    if kind in ("secret", "configMap"):
        causes = [] if source.get("name") else [field.required(f"{path}.name")]
        for i, item in enumerate(source.get("items") or ()):
            causes += key_to_path(item, f"{path}.items[{i}]")
        return causes
    if kind == "downwardAPI":
        return [cause for item in source.get("items") or () for cause in _file(item, path)]
    if kind == "serviceAccountToken":
        return _token(source, path)
    return [] if source.get("path") or kind != "clusterTrustBundle" else [field.required(f"{path}.path")]


def _token(source: Object, path: str) -> list[Cause]:
    lifetime_s = source.get("expirationSeconds") or 0
    causes: list[Cause] = []
    if lifetime_s < TOKEN_MIN_S:
        causes.append(field.invalid(f"{path}.expirationSeconds", lifetime_s, "may not specify a duration less than 10 minutes"))
    if lifetime_s > TOKEN_MAX_S:
        causes.append(field.invalid(f"{path}.expirationSeconds", lifetime_s, "may not specify a duration larger than 2^32 seconds"))
    target = source.get("path") or ""
    return causes + (unreserved(target, f"{path}.path") if target else [field.required(f"{path}.path")])


def _conflicts(kind: str, source: Object, targets: set[str], path: str) -> list[Cause]:
    paths = [source.get("path")] if kind == "serviceAccountToken" else [item.get("path") for item in source.get("items") or ()]
    causes: list[Cause] = []
    for target in field.until_enough(causes, paths):
        if target and target in targets:
            causes.append(field.invalid(path, source.get("name") or target, "conflicting duplicate paths"))
        targets.add(target or "")
    return causes
