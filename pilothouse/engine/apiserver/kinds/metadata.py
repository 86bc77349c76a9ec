"""Rules of ObjectMeta that all kinds share: names, labels, annotations, owners, finalizers, what an update may not change.

Source: apimachinery/pkg/api/validation/objectmeta.go, pkg/apis/core/validation (finalizer names).
"""

from typing import Final

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.caching import remembered
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.names import Validator

ANNOTATIONS_MAX_BYTES = 256 * 1024
STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")

subdomain_name = names.dns1123_subdomain

DESCRIPTIONS: Final = {
    "name": "Name of the object, unique in its namespace.",
    "creationTimestamp": "When the server created the object.",
}


def validate(obj: Object, name_rule: Validator, *, namespaced: bool = True, standard_finalizers: bool = True) -> list[Cause]:
    """standard_finalizers: an unqualified finalizer must be one that Kubernetes itself knows (custom resources go without)."""
    meta = obj.get("metadata") or {}
    causes = _naming(meta, name_rule, namespaced)
    if len(meta) <= 2 and not causes:
        return causes
    return causes + _attributes(meta, standard_finalizers)


def _prefix(name_rule: Validator) -> Validator:
    return names.path_segment_prefix if name_rule is names.path_segment else names.prefix_of(name_rule)


def _naming(meta: Object, name_rule: Validator, namespaced: bool) -> list[Cause]:
    causes: list[Cause] = []
    if prefix := meta.get("generateName"):
        causes += field.each_invalid("metadata.generateName", prefix, _prefix(name_rule)(prefix))
    if name := meta.get("name"):
        causes += field.each_invalid("metadata.name", name, name_rule(name))
    else:
        causes.append(field.required("metadata.name", "name or generateName is required"))
    namespace = meta.get("namespace")
    if namespaced:
        if not namespace:
            causes.append(field.required("metadata.namespace"))
        else:
            causes += field.each_invalid("metadata.namespace", namespace, names.dns1123_label(namespace))
    elif namespace:
        causes.append(field.forbidden("metadata.namespace", "not allowed on this type"))
    return causes


def _attributes(meta: Object, standard_finalizers: bool) -> list[Cause]:
    causes = field.non_negative("metadata.generation", meta.get("generation"))
    if found := meta.get("labels"):
        causes += labels(found, "metadata.labels")
    if found := meta.get("annotations"):
        causes += annotations(found, "metadata.annotations")
    if found := meta.get("ownerReferences"):
        causes += _owners(found, "metadata.ownerReferences")
    if found := meta.get("finalizers"):
        causes += _finalizers(found, "metadata.finalizers", standard_finalizers)
    return causes


@remembered(4096)
def is_label(key: str, value: str) -> bool:
    """Whether both are well-formed; remembered, since the same few labels are on everything."""
    return not names.qualified_name(key) and not names.label_value(value)


def labels(found: dict[str, str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for key, value in field.until_enough(causes, found.items()):
        if is_label(key, value):
            continue
        if said := names.qualified_name(key):
            causes += field.each_invalid(path, key, said)
        if said := names.label_value(value):
            causes += field.each_invalid(path, value, said)
    return causes


def annotations(found: dict[str, str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    size_bytes = 0
    for key, value in field.until_enough(causes, found.items()):
        causes += field.each_invalid(path, key, names.qualified_name(key.lower()))
        size_bytes += len(key.encode()) + len(value.encode())
    if size_bytes > ANNOTATIONS_MAX_BYTES:
        causes.append(field.too_long(path, ANNOTATIONS_MAX_BYTES))
    return causes


def _owners(owners: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    controller: Object | None = None
    for owner in field.until_enough(causes, owners):
        causes += _owner(owner, path)
        if not owner.get("controller"):
            continue
        if controller is not None:
            first, second = f"{controller['kind']}/{controller['name']}", f"{owner.get('kind')}/{owner.get('name')}"
            detail = f'Only one reference can have Controller set to true. Found "true" in references for {first} and {second}'
            causes.append(field.invalid(path, owners, detail))
        else:
            controller = owner
    return causes


def _owner(owner: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    version = owner.get("apiVersion") or ""
    if not version.rpartition("/")[2]:
        causes.append(field.invalid(f"{path}.apiVersion", version, "version must not be empty"))
    causes += [field.invalid(f"{path}.{name}", "", "must not be empty") for name in ("kind", "name", "uid") if not owner.get(name)]
    if owner.get("kind") == "Event" and version == "v1":
        causes.append(field.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
    return causes


def _finalizers(finalizers: list[str], path: str, standard: bool) -> list[Cause]:
    causes: list[Cause] = []
    for finalizer in field.until_enough(causes, finalizers):
        causes += field.each_invalid(path, finalizer, names.qualified_name(finalizer))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        causes.append(field.invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set"))
    return causes + (_standard_finalizers(finalizers, path) if standard else [])


def _standard_finalizers(finalizers: list[str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, finalizer in field.until_enough(causes, enumerate(finalizers)):
        if "/" not in finalizer:
            causes += standard_finalizer(finalizer, f"{path}[{i}]")
    return causes


def standard_finalizer(name: str, path: str) -> list[Cause]:
    if "/" in name or name in STANDARD_FINALIZERS:
        return []
    return [field.invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")]


def validate_update(obj: Object, old: Object, *, standard_finalizers: bool = True) -> list[Cause]:
    """What the updates of most kinds are held to.

    Upstream judges metadata in its generic registry and again in the kind's own rules, and reports both; so does this.
    That a version must be stated is the request pipeline's to say.
    """
    meta = obj.get("metadata") or {}
    changes = _changes(meta, old.get("metadata") or {})
    generic = _attributes(meta, False)
    own = generic + _standard_finalizers(meta.get("finalizers") or [], "metadata.finalizers") if standard_finalizers else generic
    return generic + changes + generic + changes + own


def validate_own_update(obj: Object, old: Object) -> list[Cause]:
    """The part of it that a kind says after its other rules, where it does not say it before."""
    meta = obj.get("metadata") or {}
    return _changes(meta, old.get("metadata") or {}) + _attributes(meta, True)


def validate_common_update(obj: Object, old: Object) -> list[Cause]:
    """The part of it that holds for kinds without rules of their own about it."""
    meta = obj.get("metadata") or {}
    generic = _attributes(meta, False)
    return generic + _changes(meta, old.get("metadata") or {}) + generic


def _changes(meta: Object, before: Object) -> list[Cause]:
    causes: list[Cause] = []
    if before.get("deletionTimestamp"):
        causes += _no_new_finalizers(meta, before)
    if (meta.get("generation") or 0) < (before.get("generation") or 0):
        causes.append(field.invalid("metadata.generation", meta.get("generation") or 0, "must not be decremented"))
    for name in field.until_enough(causes, _IMMUTABLE):
        if meta.get(name) != before.get(name):
            causes.append(field.invalid(f"metadata.{name}", meta.get(name), field.IMMUTABLE))
    return causes


def _no_new_finalizers(meta: Object, before: Object) -> list[Cause]:
    added = sorted(set(meta.get("finalizers") or ()) - set(before.get("finalizers") or ()))
    if not added:
        return []
    shown = ", ".join(f'"{name}"' for name in added)
    detail = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
    return [field.forbidden("metadata.finalizers", detail)]


def selectable(obj: Object) -> dict[str, str]:
    meta = obj["metadata"]
    return {"metadata.name": meta.get("name", ""), "metadata.namespace": meta.get("namespace", "")}
