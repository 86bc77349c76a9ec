"""From a CustomResourceDefinition to the rows of the table that serve it, one a version. Pure."""

from dataclasses import replace

from pilothouse.engine.apiserver.crds.custom_kind import custom_kind
from pilothouse.engine.apiserver.resources.served import ScalePaths, ServedResource
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.schema import CustomSchema, Schema, from_crd


def rows_of(crd: Object, metadata: Schema) -> list[ServedResource]:
    """A row for each served version, under the accepted names. metadata: the schema of every object's metadata."""
    return [_row(crd, version, metadata) for version in crd["spec"]["versions"] if version.get("served")]


def resource_of(crd: Object, version: Object) -> Resource:
    spec = crd["spec"]
    names = (crd.get("status") or {}).get("acceptedNames") or spec["names"]
    return Resource(
        spec["group"],
        version["name"],
        names.get("plural") or spec["names"]["plural"],
        names.get("kind") or spec["names"]["kind"],
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular", ""),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if name in (version.get("subresources") or {})),
        custom=True,
    )


def _row(crd: Object, version: Object, metadata: Schema) -> ServedResource:
    spec, subresources = crd["spec"], version.get("subresources") or {}
    openapi = (version.get("schema") or {}).get("openAPIV3Schema")
    made: list[Schema] = []

    def schema() -> Schema:
        # Made when first needed: a cluster may have hundreds of definitions that nobody uses.
        if not made:
            found = from_crd(openapi, preserve_unknown=bool(spec.get("preserveUnknownFields")))
            made.append(CustomSchema(found.node, metadata))
        return made[0]

    resource = resource_of(crd, version)
    kind = custom_kind(resource, version, schema)
    if version.get("deprecated"):
        kind = replace(kind, deprecation=version.get("deprecationWarning") or f"{resource.api_version} {resource.kind} is deprecated")
    scale = subresources.get("scale")
    row = ServedResource(kind, schema, f"/{resource.group_resource}/", spec["names"].get("listKind", ""), custom=True)
    row.openapi = openapi
    if scale is not None:
        row.scale = ScalePaths(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath", ""))
    return row
