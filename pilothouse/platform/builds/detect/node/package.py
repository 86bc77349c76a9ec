"""package.json: scripts, dependencies and what they say of the kind of project."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.platform.builds.detect.plan import CannotDetect
from pilothouse.platform.builds.detect.tree import Tree

_MANAGER = re.compile(r"^[a-z]+@\d[\w.-]*")


@dataclass(frozen=True, slots=True)
class Package:
    """manager: `packageManager`, such as "pnpm@9.1.0". engine: the range of Node versions asked for."""

    scripts: Mapping[str, str] = field(default_factory=dict)
    dependencies: frozenset[str] = frozenset()
    development: frozenset[str] = frozenset()
    main: str = ""
    manager: str = ""
    engine: str = ""
    workspaces: bool = False

    @property
    def all_names(self) -> frozenset[str]:
        return self.dependencies | self.development


def package(tree: Tree) -> Package:
    """Raises CannotDetect for a package.json that is not valid."""
    try:
        read = json.loads(tree.text("package.json").removeprefix("\ufeff"))
    except ValueError as error:
        raise CannotDetect(f"{tree.name}/package.json is not valid JSON: {error}") from error
    if not isinstance(read, dict):
        raise CannotDetect(f"{tree.name}/package.json is no JSON object")
    return Package(
        scripts={name: line for name, line in _mapping(read, "scripts").items() if isinstance(line, str)},
        dependencies=frozenset(_mapping(read, "dependencies")) | frozenset(_mapping(read, "optionalDependencies")),
        development=frozenset(_mapping(read, "devDependencies")),
        main=str(read.get("main") or ""),
        manager=found[0] if (found := _MANAGER.match(str(read.get("packageManager") or ""))) else "",
        engine=str(_mapping(read, "engines").get("node") or ""),
        workspaces=bool(read.get("workspaces")) or tree.has("pnpm-workspace.yaml"),
    )


def _mapping(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
