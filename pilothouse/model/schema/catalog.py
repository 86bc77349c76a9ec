"""The schemas of the built-in kinds, from the definitions that the package kubernetes-validate carries.

The package's file is large (descriptions), so what is needed of it is kept in a cache file of the caller's, from which single definitions
are decoded when they are first asked for. The cache is made anew when it is missing, of another version, or corrupt; it is replaced
atomically. This module and `openapi` are the two of `model` that read files.
"""

import marshal
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pilothouse.model.json import Object, loads
from pilothouse.model.schema.build import Builder
from pilothouse.model.schema.decode import Compiler
from pilothouse.model.schema.node import GroupVersionKind
from pilothouse.model.schema.schema import Schema

SERVED = "v1.36."
PACKAGE = "kubernetes_validate"
FORMAT = 1
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def definitions_path() -> Path:
    """The file of upstream's definitions of the version we serve."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the package {PACKAGE} is not installed: it carries the Kubernetes schemas")
    root = Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema"
    found = sorted(root.glob(f"{SERVED}*-local/_definitions.json"))
    if not found:
        raise FileNotFoundError(f"{PACKAGE} has no schemas of Kubernetes {SERVED}x under {root}: install a version that has")
    return found[-1]


class Catalog:
    """Definitions by name. `load` is how one comes about."""

    def __init__(self, packed: dict[str, bytes], kinds: dict[tuple[str, str, str], str]) -> None:
        self._packed = packed
        self._kinds = kinds
        self._builder = Builder(self._definition)
        self._compiler = Compiler()
        self._schemas: dict[str, Schema] = {}

    @classmethod
    def load(cls, cache_dir: str | os.PathLike[str] | None) -> "Catalog":
        """cache_dir: where the cache file is kept; None does without (and costs a tenth of a second)."""
        key = f"{FORMAT} {version('kubernetes-validate')} {sys.version}"
        path = Path(cache_dir) / "schemas.cache" if cache_dir is not None else None
        content = _read(path, key) if path is not None else None
        if content is None:
            content = _pack(loads(definitions_path().read_bytes())["$defs"])
            if path is not None:
                _write(path, key, content)
        return cls(*content)

    def __contains__(self, definition: str) -> bool:
        return definition in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def schema(self, definition: str) -> Schema:
        """The schema of a definition such as `io.k8s.api.core.v1.Pod`; raises KeyError."""
        found = self._schemas.get(definition)
        if found is None:
            found = self._schemas[definition] = Schema(self._builder.node(definition), self._compiler)
        return found

    def object_meta(self) -> Schema:
        """The schema of every object's metadata: what a custom resource's metadata is decoded with."""
        return self.schema(OBJECT_META)

    def definition_of(self, group: str, version: str, kind: str) -> str | None:
        """The name of the definition of a kind."""
        return self._kinds.get((group, version, kind))

    def kinds(self) -> dict[GroupVersionKind, str]:
        """All kinds that have a definition of their own."""
        return {GroupVersionKind(group, version, kind): name for (group, version, kind), name in self._kinds.items()}

    def _definition(self, name: str) -> Object:
        found: Object = marshal.loads(self._packed[name])  # noqa: S302 -- the cache is ours, checked by version and checksum
        return found


_Content = tuple[dict[str, bytes], dict[tuple[str, str, str], str]]


def _pack(definitions: dict[str, Object]) -> _Content:
    packed: dict[str, bytes] = {}
    kinds: dict[tuple[str, str, str], str] = {}
    for name, definition in definitions.items():
        packed[name] = marshal.dumps(_stripped(definition))
        found = definition.get("x-kubernetes-group-version-kind") or []
        if len(found) == 1:
            kinds[found[0]["group"], found[0]["version"], found[0]["kind"]] = name
    return packed, kinds


def _stripped(schema: Object) -> Object:
    """The schema without its texts. A property may be called `description`, hence no blind recursion."""
    found: dict[str, Any] = {key: value for key, value in schema.items() if key not in ("description", "title")}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _stripped(found[key])
    if "properties" in found:
        found["properties"] = {name: _stripped(each) for name, each in found["properties"].items()}
    return found


def _read(path: Path, key: str) -> _Content | None:
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        if head != _head(key, body):
            return None
        content: _Content = marshal.loads(body)  # noqa: S302 -- checksum and version match: this program has written it
        return content
    except (OSError, ValueError, EOFError, TypeError):
        return None


def _write(path: Path, key: str, content: _Content) -> None:
    """Best effort: without a cache everything works, only slower."""
    body = marshal.dumps(content)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(_head(key, body) + b"\n" + body)
        temporary.replace(path)


def _head(key: str, body: bytes) -> bytes:
    return f"{key.replace(chr(10), ' ')} {zlib.crc32(body):08x}".encode()
