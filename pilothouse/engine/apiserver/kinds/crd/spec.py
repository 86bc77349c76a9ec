"""The spec of a CRD: group, names, versions, and what versions say beside their schema."""

from collections.abc import Mapping
from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.crd import per_version
from pilothouse.engine.apiserver.kinds.crd.names import validate_names
from pilothouse.engine.apiserver.kinds.crd.paths import validate_selectable, validate_simple_path
from pilothouse.engine.apiserver.kinds.crd.schema import validate_version_schema
from pilothouse.engine.apiserver.kinds.crd.structural import schemas_below
from pilothouse.engine.apiserver.kinds.webhooks.ca_bundle import bundle_problem, validate_bundle
from pilothouse.engine.apiserver.kinds.webhooks.client_config import validate_client_config
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

SCOPES = ("Cluster", "Namespaced")
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
STRATEGIES = ("None", "Webhook")
REVIEW_VERSIONS = ("v1", "v1beta1")
WARNING_MAX = 256


def validate_spec(spec: Object, before: Object | None = None, *, is_established: bool = False) -> list[Cause]:
    """before: the spec that is stored. is_established: whether what it defines is served already."""
    causes = _group(spec.get("group") or "") + field.one_of("spec.scope", spec.get("scope"), SCOPES)
    versions = spec.get("versions") or []
    for i, version in field.until_enough(causes, enumerate(versions)):
        if per_version.openapi(version) is None:
            causes.append(field.required(f"spec.versions[{i}].schema.openAPIV3Schema"))
    if spec.get("preserveUnknownFields") and _has_defaults(versions):
        causes.append(field.invalid("spec.preserveUnknownFields", True, "must be false in order to use defaults in the schema"))
    once = per_version.said_once(spec)
    causes += _versions(spec, versions, before, once)
    wanted = spec.get("names") or {}
    causes += [field.required(f"spec.names.{name}") for name in ("plural", "singular", "kind", "listKind") if not wanted.get(name)]
    causes += validate_names(wanted, "spec.names")
    causes += _parts({name: per_version.shared(spec, name, once) for name in per_version.PER_VERSION}, spec, before, once)
    conversion = spec.get("conversion") or {}
    if spec.get("preserveUnknownFields") and conversion.get("strategy") != "None":
        detail = "must be None if spec.preserveUnknownFields is true"
        causes.append(field.invalid("spec.conversion.strategy", conversion.get("strategy") or "", detail))
    return causes + _conversion(conversion, before, is_established=is_established)


def _has_defaults(versions: list[Object]) -> bool:
    pending = [schema for version in versions if (schema := per_version.openapi(version))]
    while pending:
        schema = pending.pop()
        if schema.get("default") is not None:
            return True
        pending += schemas_below(schema)
    return False


def _group(group: str) -> list[Cause]:
    if not group:
        return [field.required("spec.group")]
    if said := names.dns1123_subdomain(group):
        return [field.invalid("spec.group", group, ",".join(said))]
    return [] if "." in group else [field.invalid("spec.group", group, "should be a domain with at least one dot")]


def _versions(spec: Object, versions: list[Object], before: Object | None, once: frozenset[str]) -> list[Cause]:
    causes: list[Cause] = []
    shown = spec.get("versions")
    for i, version in field.until_enough(causes, enumerate(versions)):
        name = version.get("name") or ""
        if said := names.dns1035_label(name):
            causes.append(field.invalid(f"spec.versions[{i}].name", name, ",".join(said)))
        causes += _deprecation(version, f"spec.versions[{i}].deprecationWarning")
        causes += _parts({name: per_version.own(spec, name, i, once) for name in per_version.PER_VERSION}, spec, before, once)
    if len({version.get("name") for version in versions}) != len(versions):
        causes.append(field.invalid("spec.versions", shown, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        causes.append(field.invalid("spec.versions", shown, "must have exactly one version marked as storage version"))
    # Upstream keeps the first version's name in a field of its own, too.
    first = (versions[0].get("name") or "") if versions else ""
    said = names.dns1035_label(first) if first else []
    return [*causes, field.invalid("spec.version", first, ",".join(said))] if said else causes


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


def _parts(found: Mapping[str, list[tuple[Any, str, Object]]], spec: Object, before: Object | None, once: frozenset[str]) -> list[Cause]:
    """found: what is said about schema, subresources, columns and fields (see `per_version`)."""
    causes: list[Cause] = []
    for value, path, version in found["schema"]:
        is_costly = per_version.part_of(before, version, "schema") == value
        causes += validate_version_schema(value, path, has_status=per_version.has_status(spec, version, once), is_costly=is_costly)
    for value, path, _ in found["subresources"]:
        if (scale := value.get("scale")) is not None:
            causes += _scale(scale, f"{path}.scale")
    for value, path, _ in found["additionalPrinterColumns"]:
        for i, column in field.until_enough(causes, enumerate(value)):
            causes += _column(column, f"{path}[{i}]")
    for value, path, version in found["selectableFields"]:
        is_long = per_version.part_of(before, version, "selectableFields") == value
        causes += validate_selectable(value, per_version.openapi(version) or {}, path, is_long=is_long)
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
            causes.append(field.invalid(here, selector, "should be a json path under either .spec or .status"))
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


def _conversion(conversion: Object, before: Object | None, *, is_established: bool) -> list[Cause]:
    """Upstream keeps the parts of `webhook` in fields of their own, which its paths name."""
    path, strategy, webhook = "spec.conversion", conversion.get("strategy"), conversion.get("webhook") or {}
    causes = field.one_of(f"{path}.strategy", strategy, STRATEGIES)
    config, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
    here = f"{path}.webhookClientConfig"
    if strategy != "Webhook":
        detail = "should not be set when strategy is not set to Webhook"
        causes += [field.forbidden(here, detail)] if config is not None else []
        return causes + ([field.forbidden(f"{path}.conversionReviewVersions", detail)] if versions else [])
    if config is None:
        causes.append(field.required(here, "required when strategy is set to Webhook"))
    else:
        causes += _client_config(config, here)
        if is_established and not bundle_problem(ca_bundle(before)):
            causes += validate_bundle(config.get("caBundle") or "", f"{here}.caBundle")
    return causes + _review_versions(versions, f"{path}.conversionReviewVersions")


def _client_config(config: Object, path: str) -> list[Cause]:
    if (config.get("url") is None) == (config.get("service") is None):
        return [field.required(path, "exactly one of url or service is required")]
    return validate_client_config(config, path)


def ca_bundle(spec: Object | None) -> str:
    """The authorities of the webhook that converts, as they are stated; "" for none."""
    webhook = ((spec or {}).get("conversion") or {}).get("webhook") or {}
    return (webhook.get("clientConfig") or {}).get("caBundle") or ""


def _review_versions(versions: list[str], path: str) -> list[Cause]:
    if not versions:
        return [field.required(path)]
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, version in field.until_enough(causes, enumerate(versions)):
        if version in seen:
            causes.append(field.invalid(f"{path}[{i}]", version, "duplicate version"))
            continue
        seen.add(version)
        causes += [field.invalid(f"{path}[{i}]", version, said) for said in names.dns1035_label(version)]
    if not seen & set(REVIEW_VERSIONS):
        causes.append(field.invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}"))
    return causes
