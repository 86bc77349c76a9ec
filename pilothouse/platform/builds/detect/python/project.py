"""pyproject.toml, Pipfile, setup.cfg and setup.py: which distributions a project needs, and whether it is a package itself."""

import configparser
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from pilothouse.platform.builds.detect.plan import CannotDetect
from pilothouse.platform.builds.detect.python.requirements import name_of, normalised
from pilothouse.platform.builds.detect.tree import Tree

_INSTALL_REQUIRES = re.compile(r"install_requires\s*=\s*\[([^\]]{0,3000})\]")
_STRING = re.compile(r"[\"']([^\"'\n]+)[\"']")
_NO_PACKAGES = frozenset({"test", "tests", "docs", "doc", "examples", "scripts", "bin", "tools", "build", "dist", "static", "templates"})


def toml(tree: Tree, path: str) -> dict[str, Any]:
    """{} when there is no such file; raises CannotDetect when it is not valid."""
    try:
        return tomllib.loads(tree.text(path).removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise CannotDetect(f"{tree.name}/{path} is not valid TOML: {error}") from error


def table(parent: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """A nested table, {} where there is none."""
    found: Any = parent
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def project_requirements(project: Mapping[str, Any]) -> list[str]:
    """What pyproject.toml says is needed at run time, as pip takes it: `[project]`'s list, or Poetry's table."""
    listed = table(project, "project").get("dependencies")
    if isinstance(listed, list) and listed:
        return [str(item) for item in listed]
    poetry = table(project, "tool", "poetry", "dependencies")
    return [line for name, value in poetry.items() if name != "python" and (line := _from_table(name, value))]


def pipfile_requirements(pipfile: Mapping[str, Any]) -> list[str]:
    return [line for name, value in table(pipfile, "packages").items() if (line := _from_table(name, value))]


def _from_table(name: str, value: object) -> str:
    """One entry of Poetry's or Pipenv's table as a requirement; "" for an optional one."""
    entry = value if isinstance(value, Mapping) else {"version": value}
    if entry.get("optional"):
        return ""
    extras = ",".join(str(extra) for extra in _listed(entry.get("extras")))
    named = f"{name}[{extras}]" if extras else name
    if url := entry.get("git"):
        reference = entry.get("rev") or entry.get("tag") or entry.get("branch") or entry.get("ref")
        return f"{named} @ git+{url}{f'@{reference}' if reference else ''}"
    if path := entry.get("path") or entry.get("file"):
        return str(path) if str(path).startswith(".") else f"./{path}"
    marker = entry.get("markers")
    return f"{named}{pip_range(str(entry.get('version') or '*'))}{f' ; {marker}' if marker else ''}"


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def pip_range(text: str) -> str:
    """Poetry's `^1.2` and `~1.2` as pip writes them."""
    return ",".join(part for clause in text.split(",") if (part := _pip_clause(clause.strip())))


def _pip_clause(clause: str) -> str:
    if clause in ("", "*"):
        return ""
    if clause[0] == "^" or (clause[0] == "~" and not clause.startswith("~=")):
        low = clause[1:].strip()
        numbers = [int(part) for part in re.findall(r"\d+", low)]
        keep = (
            next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
            if clause[0] == "^"
            else min(1, len(numbers) - 1)
        )
        top = [*numbers[:keep], numbers[keep] + 1]
        return f">={low},<{'.'.join(map(str, top))}"
    return clause if clause[0] in "<>=!~" else f"=={clause}"


def setup_requirements(tree: Tree) -> list[str]:
    """What setup.cfg and setup.py name, where they name it in plain text; for detection only."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(tree.text("setup.cfg"))
    except configparser.Error:
        parser = configparser.RawConfigParser()
    listed = parser.get("options", "install_requires", fallback="").splitlines()
    found = _INSTALL_REQUIRES.search(tree.text("setup.py"))
    return [line.strip() for line in (*listed, *(_STRING.findall(found[1]) if found else ())) if line.strip()]


def names(lines: list[str]) -> set[str]:
    return {name for line in lines if (name := name_of(line))}


def why_no_package(tree: Tree, project: Mapping[str, Any]) -> str:
    """Why a project with a pyproject.toml is not installed itself, only what it needs; "" when it is to be installed."""
    build = table(project, "build-system")
    if not build:
        return "it has no [build-system]"
    if table(project, "tool", "poetry").get("package-mode") is False:
        return "package-mode is false"
    if table(project, "tool", "uv").get("package") is False or table(project, "tool", "pdm").get("distribution") is False:
        return "it says that it is no package"
    name = str(table(project, "project").get("name") or table(project, "tool", "poetry").get("name") or "")
    if not name:
        return "it has no name"
    tool = table(project, "tool")
    backend = str(build.get("build-backend") or "setuptools")
    chosen = table(tool, "hatch", "build") or table(tool, "poetry").get("packages") or table(tool, "setuptools") or "pdm" in backend
    if chosen or tree.has("setup.py") or tree.has("setup.cfg") or tree.has_folder("src"):
        return ""
    if "setuptools" in backend:
        packages, modules = _top_level(tree)
        several = len(packages) > 1 or (not packages and len(modules) > 1)
        return f"its folders {', '.join(packages or modules)} are no single package" if several else ""
    own = normalised(name).replace("-", "_")
    return "" if tree.has(f"{own}/__init__.py") or tree.has(f"{own}.py") else f"there is no folder {own}"


def _top_level(tree: Tree) -> tuple[list[str], list[str]]:
    """(folders, modules) that setuptools would find in a flat layout."""
    folders = sorted({path.split("/")[0] for path in tree.files if "/" in path})
    packages = [folder for folder in folders if folder.isidentifier() and folder not in _NO_PACKAGES]
    modules = [path.removesuffix(".py") for path in tree.inside("") if path.endswith(".py") and path not in ("setup.py", "conftest.py")]
    return packages, modules
