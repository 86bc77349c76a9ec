"""Custom resources declared as pydantic models: the structural schema is generated, so a type is written once.

A capability's `types.py` declares `class XSpec(Model)` and `class XStatus(Model)` and one `CustomType`; `install` creates
or updates the CustomResourceDefinitions and waits until the server serves them.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from pilothouse.client.client import Client
from pilothouse.model import kinds, meta
from pilothouse.model.errors import AlreadyExists, Timeout
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource


class Model(BaseModel):
    """A part of a custom resource: snake_case in Python, camelCase in JSON; unknown fields are the API server's to refuse."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column of `kubectl get`. type: string, integer, date; wide ones only with -o wide."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class CustomType:
    """A custom resource: its place in the API and the models of its spec and status. name_pattern: of its objects' names."""

    resource: Resource
    spec: type[Model]
    status: type[Model]
    columns: tuple[Column, ...] = ()
    scale: Object | None = None
    name_pattern: str = ""

    def definition(self) -> Object:
        """The CustomResourceDefinition object."""
        res = self.resource
        schema = {
            "type": "object",
            "required": ["spec"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"} | self._named(),
                "spec": structural(self.spec),
                "status": structural(self.status),
            },
        }
        names: Object = {"plural": res.plural, "singular": res.singular, "kind": res.kind, "listKind": f"{res.kind}List"}
        if res.short_names:
            names["shortNames"] = list(res.short_names)
        if res.categories:
            names["categories"] = list(res.categories)
        version = {
            "name": res.version,
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}} | ({"scale": self.scale} if self.scale else {}),
            "additionalPrinterColumns": [_column(column) for column in self.columns],
        }
        return {
            "apiVersion": kinds.CRDS.api_version,
            "kind": kinds.CRDS.kind,
            "metadata": {"name": res.group_resource},
            "spec": {"group": res.group, "scope": "Namespaced" if res.namespaced else "Cluster", "names": names, "versions": [version]},
        }

    def _named(self) -> Object:
        return {"properties": {"name": {"type": "string", "pattern": self.name_pattern}}} if self.name_pattern else {}


def _column(column: Column) -> Object:
    shown: Object = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return shown | ({"priority": 1} if column.wide else {})


def structural(model: type[BaseModel]) -> Object:
    """The model's JSON schema as a Kubernetes structural schema: references inlined, no `title`, `null` as `nullable`."""
    document = model.model_json_schema(by_alias=True)
    shown: Object = _inlined(document, document.get("$defs", {}))
    return shown


_KEPT = frozenset(
    [
        "type",
        "description",
        "properties",
        "required",
        "items",
        "additionalProperties",
        "enum",
        "default",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "format",
        "nullable",
    ]
)


def _inlined(node: Any, definitions: Object) -> Any:
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rsplit("/", 1)[1]] | {k: v for k, v in node.items() if k != "$ref"}, definitions)
    if "anyOf" in node:
        (real,) = [option for option in node["anyOf"] if option.get("type") != "null"]
        return _inlined(
            real | {k: v for k, v in node.items() if k not in ("anyOf", "default") or (v is not None and k == "default")}, definitions
        )
    out: Object = {key: value for key, value in node.items() if key in _KEPT or key.startswith("x-kubernetes-")}
    if out.get("default", ...) is None:
        del out["default"]
    if "properties" in out:
        out["properties"] = {name: _inlined(value, definitions) for name, value in out["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = _inlined(out[key], definitions)
    if out.get("additionalProperties") is False:
        del out["additionalProperties"]
    return out


async def install(client: Client, types: Iterable[CustomType], deadline_s: float = 30.0) -> None:
    """Create or update the definitions and wait until each is Established; raises Timeout naming the one that is not."""
    wanted = [custom.definition() for custom in types]
    for definition in wanted:
        await _create_or_update(client, definition)
    for definition in wanted:
        await _established(client, definition["metadata"]["name"], deadline_s)


async def _create_or_update(client: Client, definition: Object) -> None:
    """Looked for first: who may not make definitions may still work with those that an administrator has made."""
    name = definition["metadata"]["name"]
    current = await client.get_or_none(kinds.CRDS, name)
    if current is None:
        with contextlib.suppress(AlreadyExists):
            await client.create(kinds.CRDS, definition)
    elif any(current["spec"].get(key) != value for key, value in definition["spec"].items()):
        await client.patch(kinds.CRDS, name, {"spec": definition["spec"]})


async def _established(client: Client, name: str, deadline_s: float) -> None:
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                found = meta.condition(await client.get(kinds.CRDS, name), "Established")
                if found is not None and found["status"] == "True":
                    return
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise Timeout(f"customresourcedefinition {name} was not established within {deadline_s:g} s") from error
