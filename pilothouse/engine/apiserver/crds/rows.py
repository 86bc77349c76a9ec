"""From a CustomResourceDefinition to the rows of the table that serve it, one a version. Pure."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from pilothouse.engine.apiserver.crds.conversion import Caller, WebhookConversion
from pilothouse.engine.apiserver.crds.custom_kind import custom_kind
from pilothouse.engine.apiserver.crds.naming import oldest_version, storage_version
from pilothouse.engine.apiserver.crds.shape import Definition, VersionShape
from pilothouse.engine.apiserver.resources.served import ScalePaths, ServedResource
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.schema import CustomSchema, Schema, from_crd


def rows_of(crd: Object, metadata: Schema, caller: Caller) -> list[ServedResource]:
    """A row for each served version, under the accepted names.

    metadata: the schema of every object's metadata. caller: of conversion webhooks.
    """
    definition = _definition(crd, metadata, caller)
    return [_row(crd, version, definition) for version in crd["spec"]["versions"] if version.get("served")]


def _definition(crd: Object, metadata: Schema, caller: Caller) -> Definition:
    spec = crd["spec"]
    webhook = (spec.get("conversion") or {}).get("webhook")
    return Definition(
        spec["group"],
        spec["names"]["kind"],
        storage_version(crd),
        oldest_version(crd),
        int(crd["metadata"]["resourceVersion"]),
        {version["name"]: _schema(spec, version, metadata) for version in spec["versions"]},
        None if webhook is None else WebhookConversion(webhook, caller),
    )


def _schema(spec: Object, version: Object, metadata: Schema) -> Callable[[], Schema]:
    """Made when first needed: a cluster may have hundreds of definitions that nobody uses."""

    @cache
    def schema() -> Schema:
        openapi = (version.get("schema") or {}).get("openAPIV3Schema")
        return CustomSchema(from_crd(openapi, preserve_unknown=bool(spec.get("preserveUnknownFields"))).node, metadata)

    return schema


def resource_of(crd: Object, version: Object) -> Resource:
    """The plural is the definition's own, whatever its status says: it is where instances are stored, and part of the definition's name."""
    spec = crd["spec"]
    names = (crd.get("status") or {}).get("acceptedNames") or spec["names"]
    return Resource(
        spec["group"],
        version["name"],
        spec["names"]["plural"],
        names.get("kind") or spec["names"]["kind"],
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular", ""),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if name in (version.get("subresources") or {})),
        custom=True,
    )


def _row(crd: Object, version: Object, definition: Definition) -> ServedResource:
    spec, subresources = crd["spec"], version.get("subresources") or {}
    schema = definition.schemas[version["name"]]
    resource = resource_of(crd, version)
    kind = custom_kind(resource, version, schema)
    if version.get("deprecated"):
        kind = replace(kind, deprecation=version.get("deprecationWarning") or f"{resource.api_version} {resource.kind} is deprecated")
    scale = subresources.get("scale")
    row = ServedResource(kind, schema, f"/{resource.group_resource}/", spec["names"].get("listKind", ""), custom=True)
    row.openapi = (version.get("schema") or {}).get("openAPIV3Schema")
    row.shape = VersionShape(definition, version["name"])
    if scale is not None:
        row.scale = ScalePaths(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath", ""))
    return row
