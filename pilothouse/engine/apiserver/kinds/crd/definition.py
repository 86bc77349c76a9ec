"""The kind CustomResourceDefinition itself."""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.crd.approval import validate_approval
from pilothouse.engine.apiserver.kinds.crd.formats import unknown_formats
from pilothouse.engine.apiserver.kinds.crd.names import validate_names
from pilothouse.engine.apiserver.kinds.crd.spec import validate_spec
from pilothouse.engine.apiserver.kinds.kind import DEAR, Context, Kind
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.meta import is_true

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_PRESERVE = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"


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
    if isinstance(status := obj.get("status"), dict) and not status.get("storedVersions") and (version := _storage_version(spec)):
        status["storedVersions"] = [version]


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
    causes += validate_spec(spec) + _status(obj) + validate_approval(obj, None)
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
    new = [version.get("name") for version in versions if version.get("storage") and version.get("name") not in stored]
    causes += [field.invalid(path, stored, f"must have the storage version {name}") for name in new]
    return causes + [field.invalid(f"{path}[{i}]", name, _missing(name)) for i, name in enumerate(stored) if name not in known]


def _missing(name: str) -> str:
    return (
        f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage "
        f"migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
    )


def validate_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    wanted, had = spec.get("names") or {}, before.get("names") or {}
    is_established = is_true(old, "Established")
    causes = metadata.validate_update(obj, old, standard_finalizers=False)
    causes += validate_spec(spec, before, is_established=is_established)
    if is_established:
        causes += field.immutable("spec.scope", spec.get("scope"), before.get("scope"))
        causes += field.immutable("spec.names.kind", wanted.get("kind"), had.get("kind"))
    causes += field.immutable("spec.group", spec.get("group"), before.get("group"))
    causes += field.immutable("spec.names.plural", wanted.get("plural"), had.get("plural"))
    causes += _status(obj) + validate_approval(obj, old)
    if spec.get("preserveUnknownFields") and not before.get("preserveUnknownFields"):
        causes.append(field.invalid("spec.preserveUnknownFields", True, _PRESERVE))
    return causes


def validate_status_update(obj: Object, old: Object) -> list[Cause]:
    """Whoever migrates stored objects may write storedVersions as it sees fit."""
    accepted = (obj.get("status") or {}).get("acceptedNames") or {}
    return metadata.validate_update(obj, old, standard_finalizers=False) + validate_names(accepted, "status.acceptedNames")


def _warnings(obj: Object) -> list[str]:
    return [f'unrecognized format "{each}"' for each in unknown_formats(obj.get("spec") or {})]


def _warnings_on_update(obj: Object, old: Object) -> list[str]:
    """Of formats that were not there before."""
    known = set(unknown_formats(old.get("spec") or {}))
    return [f'unrecognized format "{each}"' for each in unknown_formats(obj.get("spec") or {}) if each not in known]


def on_dying(obj: Object) -> None:
    """Its end has no grace, and is no change of what was wanted."""
    metadata = obj["metadata"]
    metadata.pop("deletionGracePeriodSeconds", None)
    if metadata.get("generation"):
        metadata["generation"] -= 1


CRD = Kind(
    kinds.CRDS,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    validate_status_update=validate_status_update,
    warnings=_warnings,
    warnings_on_update=_warnings_on_update,
    unconditional_update=False,
    returns_object_on_delete=True,
    finalizers_on_delete=(FINALIZER,),
    on_dying=on_dying,
    followed_by="definitions",
    breadth=DEAR,
)
