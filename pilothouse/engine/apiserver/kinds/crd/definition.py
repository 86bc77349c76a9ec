"""The kind CustomResourceDefinition itself."""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.crd.names import validate_names
from pilothouse.engine.apiserver.kinds.crd.spec import validate_spec
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.meta import is_true

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
APPROVAL = "api-approved.kubernetes.io"
_PROTECTED = ("k8s.io", "kubernetes.io")
_PRESERVE = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
_NO_APPROVAL = f'protected groups must have approval annotation "{APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111'


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    wanted = spec.get("names") or {}
    spec["names"] = wanted
    if kind := wanted.get("kind"):
        wanted["singular"] = wanted.get("singular") or kind.lower()
        wanted["listKind"] = wanted.get("listKind") or f"{kind}List"
    conversion = spec.get("conversion") or {"strategy": "None"}
    spec["conversion"] = conversion
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = 443
    if spec.get("preserveUnknownFields") is False:
        spec.pop("preserveUnknownFields")


def _storage_version(spec: Object) -> str | None:
    return next((version.get("name") for version in spec.get("versions") or () if version.get("storage")), None)


def prepare_create(obj: Object, context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": None}
    _note_stored(obj)


def _note_stored(obj: Object) -> None:
    """Whatever has ever been a storage version may be in the store."""
    version, known = _storage_version(obj["spec"]), obj["status"].get("storedVersions") or []
    if version is not None and version not in known:
        obj["status"] = obj["status"] | {"storedVersions": [*known, version]}


_update = strategy.update()


def prepare_update(obj: Object, old: Object, context: Context) -> None:
    _update(obj, old, context)
    if context.subresource != "status":
        _note_stored(obj)


def validate(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    needed = f"{(spec.get('names') or {}).get('plural') or ''}.{spec.get('group') or ''}"

    def name_rule(name: str) -> list[str]:
        return names.dns1123_subdomain(name) + ([] if name == needed else ['must be spec.names.plural+"."+spec.group'])

    causes = metadata.validate(obj, name_rule, namespaced=False, standard_finalizers=False)
    causes += validate_spec(spec) + _status(obj) + _approval(obj)
    if spec.get("preserveUnknownFields"):
        causes.append(field.invalid("spec.preserveUnknownFields", True, _PRESERVE))
    return causes


def _status(obj: Object) -> list[Cause]:
    status = obj.get("status") or {}
    causes = validate_names(status.get("acceptedNames") or {}, "status.acceptedNames")
    path, stored = "status.storedVersions", status.get("storedVersions") or []
    if not stored:
        return [*causes, field.invalid(path, status.get("storedVersions"), "must have at least one stored version")]
    versions = (obj.get("spec") or {}).get("versions") or []
    known = {version.get("name") for version in versions}
    causes += [field.invalid(f"{path}[{i}]", name, _missing(name)) for i, name in enumerate(stored) if name not in known]
    storage = next((version.get("name") for version in reversed(versions) if version.get("storage")), None)
    if storage is not None and storage not in stored:
        causes.append(field.invalid(path, stored, f"must have the storage version {storage}"))
    return causes


def _missing(name: str) -> str:
    return (
        f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage "
        f"migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
    )


def _approval(obj: Object) -> list[Cause]:
    """Groups of the Kubernetes project need a note of their review."""
    group = (obj.get("spec") or {}).get("group") or ""
    if not any(group == domain or group.endswith(f".{domain}") for domain in _PROTECTED):
        return []
    approval = (obj["metadata"].get("annotations") or {}).get(APPROVAL)
    path = f"metadata.annotations[{APPROVAL}]"
    if not approval:
        return [field.required(path, _NO_APPROVAL)]
    if approval.startswith("unapproved") or approval.startswith(("http://", "https://")):
        return []
    why = f'protected groups must have approval annotation "{APPROVAL}" with either a URL or a reason starting with "unapproved"'
    return [field.invalid(path, approval, f"{why}, see https://github.com/kubernetes/enhancements/pull/1111")]


def validate_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    wanted, had = spec.get("names") or {}, before.get("names") or {}
    causes = metadata.validate_update(obj, old, standard_finalizers=False) + validate_spec(spec)
    if is_true(old, "Established"):
        causes += field.immutable("spec.scope", spec.get("scope"), before.get("scope"))
        causes += field.immutable("spec.names.kind", wanted.get("kind"), had.get("kind"))
    causes += field.immutable("spec.group", spec.get("group"), before.get("group"))
    causes += field.immutable("spec.names.plural", wanted.get("plural"), had.get("plural"))
    causes += _status(obj)
    if spec.get("group") != before.get("group"):
        return causes
    if spec.get("preserveUnknownFields") and not before.get("preserveUnknownFields"):
        causes.append(field.invalid("spec.preserveUnknownFields", True, _PRESERVE))
    return causes


def validate_status_update(obj: Object, old: Object) -> list[Cause]:
    """Whoever migrates stored objects may write storedVersions as it sees fit."""
    accepted = (obj.get("status") or {}).get("acceptedNames") or {}
    return metadata.validate_update(obj, old, standard_finalizers=False) + validate_names(accepted, "status.acceptedNames")


CRD = Kind(
    kinds.CRDS,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    validate_status_update=validate_status_update,
    unconditional_update=False,
    returns_object_on_delete=True,
    finalizers_on_delete=(FINALIZER,),
    followed_by="definitions",
)
