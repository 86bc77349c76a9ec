"""From upstream's OpenAPI definitions to nodes. References become shared nodes, so that recursive definitions are cycles."""

from collections.abc import Callable

from pilothouse.model.json import Object
from pilothouse.model.schema.node import GroupVersionKind, Node, Patch

_REFERENCE = "#/$defs/"

_SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("string", "quantity"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": ("string", "date-time"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": ("string", "micro-time"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ("", "int-or-string"),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": ("", "any"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": ("", "any"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": ("", "any"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": ("", "schema-or-array"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": ("", "schema-or-bool"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": ("", "schema-or-strings"),
}
_JSON_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"

_GO_SCALARS = {
    ("string", ""): "string",
    ("string", "byte"): "[]uint8",
    ("string", "date-time"): "v1.Time",
    ("string", "micro-time"): "v1.MicroTime",
    ("string", "quantity"): "resource.Quantity",
    ("integer", "int32"): "int32",
    ("boolean", ""): "bool",
    ("number", "double"): "float64",
}


_DEFAULTS = {
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
}
"""Of fields that are keys of lists: an element that leaves one out has this one. The package's definitions do not say so."""


class Builder:
    """Builds a definition's node when it is first asked for. definition: gives the raw definition of a name, or raises KeyError."""

    def __init__(self, definition: Callable[[str], Object]) -> None:
        self._definition = definition
        self._nodes: dict[str, Node] = {}

    def node(self, name: str) -> Node:
        found = self._nodes.get(name)
        if found is None:
            found = self._nodes[name] = Node(name=name)
            self._fill(found, self._definition(name))
        return found

    def _fill(self, node: Node, raw: Object) -> None:
        kind = raw.get("type", "")
        node.type = kind if isinstance(kind, str) else kind[0]
        node.format = raw.get("format", "")
        node.nullable = not isinstance(kind, str)
        node.required = tuple(raw.get("required", ()))
        node.enum = tuple(raw.get("enum", ()))
        node.list_type = raw.get("x-kubernetes-list-type", "")
        node.list_map_keys = tuple(raw.get("x-kubernetes-list-map-keys", ()))
        node.map_type = raw.get("x-kubernetes-map-type", "")
        node.kinds = tuple(
            GroupVersionKind(each["group"], each["version"], each["kind"]) for each in raw.get("x-kubernetes-group-version-kind", ())
        )
        if node.name in _SPECIAL:
            node.type, node.format = _SPECIAL[node.name]
            if node.format.startswith("schema-or-"):
                node.items = self.node(_JSON_SCHEMA)
        self._children(node, raw)
        node.go_type = _go_type(node)

    def _children(self, node: Node, raw: Object) -> None:
        properties: dict[str, Object] = raw.get("properties", {})
        node.properties = {name: self._child(child) for name, child in properties.items()}
        node.patches = {
            name: Patch(tuple(child["x-kubernetes-patch-strategy"].split(",")), child.get("x-kubernetes-patch-merge-key", ""))
            for name, child in properties.items()
            if "x-kubernetes-patch-strategy" in child
        }
        for name, value in _DEFAULTS.get(node.name, {}).items():
            node.properties[name].default = (value,)
        if "items" in raw:
            node.items = self._child(raw["items"])
        if isinstance(raw.get("additionalProperties"), dict):
            node.additional = self._child(raw["additionalProperties"])

    def _child(self, raw: Object) -> Node:
        reference = raw.get("$ref")
        if reference is not None:
            return self.node(reference.removeprefix(_REFERENCE))
        node = Node()
        self._fill(node, raw)
        return node


def _go_type(node: Node) -> str:
    """What upstream's decoder calls the type in its errors."""
    if node.name and node.properties:
        return ".".join(node.name.rsplit(".", 2)[1:])
    if node.type == "array":
        return f"[]{node.items.go_type or _qualified(node.items) if node.items else 'interface {}'}"
    if node.type == "object" and node.additional is not None:
        return f"map[string]{node.additional.go_type or _qualified(node.additional)}"
    if node.name and not node.format:
        return _qualified(node)
    if node.format == "int-or-string":
        return "intstr.IntOrString"
    return _GO_SCALARS.get((node.type, node.format)) or ("int64" if node.type == "integer" else node.type)


def _qualified(node: Node) -> str:
    """A definition that is still being built (it refers to itself) has its name already."""
    return ".".join(node.name.rsplit(".", 2)[1:]) if node.name else node.type
