"""The spec of a CRD: group, names, versions, and what versions say beside their schema."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.crd import facets
from pilothouse.engine.apiserver.kinds.crd.names import validate_names
from pilothouse.engine.apiserver.kinds.crd.paths import validate_selectable, validate_simple_path
from pilothouse.engine.apiserver.kinds.crd.schema import validate_version_schema
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

SCOPES = ("Cluster", "Namespaced")
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
STRATEGIES = ("None", "Webhook")
WARNING_MAX = 256


def validate_spec(spec: Object) -> list[Cause]:
    causes = _group(spec.get("group") or "") + _one_of("spec.scope", spec.get("scope"), SCOPES)
    versions = spec.get("versions") or []
    causes += [
        field.required(f"spec.versions[{i}].schema.openAPIV3Schema")
        for i, version in enumerate(versions)
        if facets.openapi(version) is None
    ]
    causes += _versions(spec, versions)
    wanted = spec.get("names") or {}
    causes += [field.required(f"spec.names.{name}") for name in ("plural", "singular", "kind", "listKind") if not wanted.get(name)]
    causes += validate_names(wanted, "spec.names")
    for value, path, _ in facets.each(spec, "schema"):
        causes += validate_version_schema(value, path)
    return causes + _parts(spec) + _conversion(spec.get("conversion") or {}, "spec.conversion", len(versions))


def _one_of(path: str, value: str | None, supported: tuple[str, ...]) -> list[Cause]:
    if value in supported:
        return []
    return [field.not_supported(path, value, supported) if value else field.required(path)]


def _group(group: str) -> list[Cause]:
    if not group:
        return [field.required("spec.group")]
    if said := names.dns1123_subdomain(group):
        return [field.invalid("spec.group", group, ",".join(said))]
    return [] if "." in group else [field.invalid("spec.group", group, "should be a domain with at least one dot")]


def _versions(spec: Object, versions: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    shown = spec.get("versions")
    for i, version in enumerate(versions):
        name = version.get("name") or ""
        if said := names.dns1035_label(name):
            causes.append(field.invalid(f"spec.versions[{i}].name", name, ",".join(said)))
            if i == 0 and name:
                # Upstream keeps the first version's name in a field of its own, too.
                causes.append(field.invalid("spec.version", name, ",".join(said)))
        causes += _deprecation(version, f"spec.versions[{i}].deprecationWarning")
    if len({version.get("name") for version in versions}) != len(versions):
        causes.append(field.invalid("spec.versions", shown, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        causes.append(field.invalid("spec.versions", shown, "must have exactly one version marked as storage version"))
    return causes


def _deprecation(version: Object, path: str) -> list[Cause]:
    warning = version.get("deprecationWarning")
    if warning is None:
        return []
    if not version.get("deprecated"):
        return [field.invalid(path, warning, "can only be set for deprecated versions")]
    causes: list[Cause] = []
    if not warning:
        causes.append(field.invalid(path, warning, "must not be an empty string"))
    if len(warning) > WARNING_MAX:
        causes.append(field.invalid(path, warning, f"must be <= {WARNING_MAX} characters long"))
    if not warning.isprintable():
        causes.append(field.invalid(path, warning, "must only contain printable UTF-8 characters"))
    return causes


def _parts(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    for value, path, _ in facets.each(spec, "subresources"):
        if (scale := value.get("scale")) is not None:
            causes += _scale(scale, f"{path}.scale")
    for value, path, _ in facets.each(spec, "additionalPrinterColumns"):
        for i, column in enumerate(value):
            causes += _column(column, f"{path}[{i}]")
    for value, path, version in facets.each(spec, "selectableFields"):
        causes += validate_selectable(value, facets.openapi(version) or {}, path)
    return causes


def _scale(scale: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name, below in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value, here = scale.get(name) or "", f"{path}.{name}"
        if not value:
            causes.append(field.required(here))
        elif found := validate_simple_path(value, here):
            causes += found
        elif not value.startswith(below):
            causes.append(field.invalid(here, value, f"should be a json path under {below[:-1]}"))
    if selector := scale.get("labelSelectorPath"):
        here = f"{path}.labelSelectorPath"
        causes += validate_simple_path(selector, here)
        if selector.startswith(".") and not selector.startswith((".spec.", ".status.")):
            causes.append(field.invalid(here, selector, "should be a json path under either .status or .spec"))
    return causes


def _column(column: Object, path: str) -> list[Cause]:
    causes = [] if column.get("name") else [field.required(f"{path}.name")]
    kind, form, target = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    types = f"must be one of {','.join(COLUMN_TYPES)}"
    if not kind:
        causes.append(field.required(f"{path}.type", types))
    elif kind not in COLUMN_TYPES:
        causes.append(field.invalid(f"{path}.type", kind, types))
    if form and form not in COLUMN_FORMATS:
        causes.append(field.invalid(f"{path}.format", form, f"must be one of {','.join(COLUMN_FORMATS)}"))
    return causes + (validate_simple_path(target, f"{path}.JSONPath") if target else [field.required(f"{path}.JSONPath")])


def _conversion(conversion: Object, path: str, versions: int) -> list[Cause]:
    """A webhook that would have to be called is refused: without it, clients of one version would be shown another's fields."""
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook")
    causes = _one_of(f"{path}.strategy", strategy, STRATEGIES)
    config = (webhook or {}).get("clientConfig")
    if strategy == "Webhook":
        if config is None:
            causes.append(field.required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook"))
        elif bool(config.get("url")) == (config.get("service") is not None):
            causes.append(field.required(f"{path}.webhookClientConfig", "exactly one of url or service is required"))
        if not (webhook or {}).get("conversionReviewVersions"):
            causes.append(field.required(f"{path}.conversionReviewVersions"))
        if versions > 1:
            detail = "conversion webhooks are not called: use strategy None with versions of the same fields, or one version only"
            causes.append(field.forbidden(f"{path}.strategy", detail))
    elif webhook is not None:
        causes.append(field.forbidden(f"{path}.webhookClientConfig", "should not be set when strategy is not set to Webhook"))
    return causes
