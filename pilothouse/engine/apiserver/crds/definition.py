"""The Kind of CustomResourceDefinitions themselves."""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.crds.validation import validate, validate_update
from pilothouse.engine.apiserver.kinds.kind import CREATED_COLUMN, NAME_COLUMN, Context, Kind
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS


def default(crd: Object) -> None:
    """Names that follow from others. Source: apiextensions/v1/defaults.go."""
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if not names.get("singular") and kind:
        names["singular"] = kind.lower()
    if not names.get("listKind") and kind:
        names["listKind"] = f"{kind}List"
    if not spec.get("conversion"):
        spec["conversion"] = {"strategy": "None"}
    webhook = (spec["conversion"].get("webhook") or {}).get("clientConfig") or {}
    if (service := webhook.get("service")) is not None and service.get("port") is None:
        service["port"] = 443


def prepare_create(crd: Object, context: Context) -> None:
    stored = [version["name"] for version in crd["spec"].get("versions") or () if version.get("storage")]
    crd["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored[:1]}
    crd["metadata"]["generation"] = 1


def prepare_update(crd: Object, old: Object, context: Context) -> None:
    if context.subresource == "status":
        status, version = crd.get("status"), crd["metadata"].get("resourceVersion")
        crd.clear()
        crd |= old | {"status": status or {}, "metadata": dict(old["metadata"])}
        if version:
            crd["metadata"]["resourceVersion"] = version
        return
    crd["status"] = dict(old.get("status") or {})
    storage = next((version["name"] for version in crd["spec"].get("versions") or () if version.get("storage")), None)
    stored = crd["status"].get("storedVersions") or []
    if storage is not None and storage not in stored:
        crd["status"]["storedVersions"] = [*stored, storage]
    if crd["spec"] != old["spec"]:
        crd["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def cells(crd: Object, now: datetime) -> list[Any]:
    return [crd["metadata"]["name"], crd["metadata"].get("creationTimestamp")]


def validate_status(crd: Object, old: Object) -> list[Any]:
    return []


DEFINITION = Kind(
    CRDS,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    validate_status_update=validate_status,
    columns=(NAME_COLUMN, CREATED_COLUMN),
    cells=cells,
    unconditional_update=False,
    returns_object_on_delete=True,
)
