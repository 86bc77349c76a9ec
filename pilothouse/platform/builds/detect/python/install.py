"""How a Python project's dependencies are installed: from its lock file, its requirements or its project file.

What is installed from is copied first and alone where that is possible, so that a changed source keeps the layer of the
dependencies. Lock files are read by the tool that wrote them, in a stage of its own that only exports them: versions and
hashes are the lock's, and pip fetches them from the index that builds use.
"""

import json
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pilothouse.platform.builds.detect.python import project as projects
from pilothouse.platform.builds.detect.python.requirements import Requirements, requirements
from pilothouse.platform.builds.detect.recipe import COPY_SOURCE
from pilothouse.platform.builds.detect.shell import quoted
from pilothouse.platform.builds.detect.tree import Tree

LOCKED = "/tmp/requirements.lock"  # noqa: S108
REQUIREMENTS = (
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/base.txt",
    "requirements-prod.txt",
    "requirements.in",
)


@dataclass(frozen=True, slots=True)
class Exporter:
    """tools: distributions that read the lock; command: writes requirements to the file that follows it; needs: the lock's companion."""

    tools: str
    command: str
    needs: str = "pyproject.toml"


EXPORTERS = {
    "uv.lock": Exporter("uv", "uv export --quiet --frozen --no-dev --no-emit-project --output-file"),
    "poetry.lock": Exporter("poetry poetry-plugin-export", "poetry export --quiet --only main --output"),
    "pdm.lock": Exporter("pdm", "pdm export --quiet --prod --format requirements --output"),
    "Pipfile.lock": Exporter("pipenv", "pipenv requirements --hash >", "Pipfile"),
}


@dataclass(slots=True)
class Install:
    """stage: lines of a stage before the image's own. lines: up to and with the source's COPY. names: distributions, normalised.

    python: the versions that the project asks for, "" when it does not say. git: something comes from a Git repository.
    packaged: the project itself is installed, and with it its console scripts.
    """

    lines: list[str]
    names: set[str]
    why: str
    stage: list[str] = field(default_factory=list)
    python: str = ""
    git: bool = False
    packaged: bool = False


def installation(tree: Tree, image: str) -> Install | None:
    """None when the tree says nothing of dependencies. image: the base image. Raises CannotDetect."""
    project = projects.toml(tree, "pyproject.toml")
    asked = str(projects.table(project, "project").get("requires-python") or "")
    asked = asked or str(projects.table(project, "tool", "poetry", "dependencies").get("python") or "")
    found = _chosen(tree, project, image)
    if found is not None:
        found.python = asked or _pipfile_python(tree)
    return found


def _chosen(tree: Tree, project: dict[str, Any], image: str) -> Install | None:
    lock = tree.first(*EXPORTERS)
    listed = tree.first(*REQUIREMENTS)
    if lock and tree.has(EXPORTERS[lock].needs):
        return _locked(tree, project, lock, image)
    if listed:
        return _listed(tree, project, requirements(tree, listed))
    if tree.has("Pipfile"):
        lines = projects.pipfile_requirements(projects.toml(tree, "Pipfile"))
        return _plain(lines, "Pipfile without a lock: versions are those of the day of the build")
    if project and (projects.table(project, "project") or projects.table(project, "tool", "poetry")):
        return _project(tree, project)
    if tree.has("setup.py") or tree.has("setup.cfg"):
        lines = [COPY_SOURCE, "RUN pip install ."]
        return Install(lines, projects.names(projects.setup_requirements(tree)), "setup.py: the package is installed", packaged=True)
    return None


def _locked(tree: Tree, project: dict[str, Any], lock: str, image: str) -> Install:
    exporter = EXPORTERS[lock]
    stage = [
        f"FROM {image} AS lock",
        f"RUN pip install {exporter.tools}",
        "WORKDIR /app",
        f"COPY {exporter.needs} {lock} ./",
        f"RUN {exporter.command} {LOCKED}",
    ]
    names = _lock_names(tree, lock)
    install = [f"COPY --from=lock {LOCKED} {LOCKED}", f"RUN pip install -r {LOCKED}"]
    local = _refers_to_folders(tree, lock)
    if local:
        stage[stage.index(f"COPY {exporter.needs} {lock} ./")] = "COPY . ./"
    lines = [COPY_SOURCE, *install] if local else [*install, COPY_SOURCE]
    git = any(mark in tree.text(lock) for mark in ("git+", 'git = "', '"git": "', 'type = "git"'))
    return _with_package(tree, project, Install(lines, names, f"{lock}: the locked versions are installed", stage, git=git))


def _refers_to_folders(tree: Tree, lock: str) -> bool:
    """Whether a lock installs from folders of the tree other than the project's own."""
    if lock != "uv.lock":
        return any(mark in tree.text(lock) for mark in ('type = "directory"', 'path = "./', '"path": "'))
    packages = projects.toml(tree, lock).get("package")
    sources = [projects.table(package, "source") for package in packages] if isinstance(packages, list) else []
    return any(source.get(kind, ".") != "." for source in sources for kind in ("editable", "directory", "virtual", "path"))


def _lock_names(tree: Tree, lock: str) -> set[str]:
    """The distributions that the project itself asks for, by the file beside the lock."""
    if lock == "Pipfile.lock":
        return projects.names(projects.pipfile_requirements(projects.toml(tree, "Pipfile")))
    return projects.names(projects.project_requirements(projects.toml(tree, "pyproject.toml")))


def _listed(tree: Tree, project: dict[str, Any], listed: Requirements) -> Install:
    first = listed.files[0]
    install = f"RUN pip install -r {quoted(first)}"
    names = listed.names | (projects.names(projects.project_requirements(project)) if listed.root else set())
    others = ", ".join(listed.files[1:])
    why = f"{first}{f' with {others}' if others else ''}: its distributions are installed"
    if listed.root:
        return Install([COPY_SOURCE, install], names, f"{why}, the source itself among them", git=listed.git, packaged=True)
    copied = [*_copies(listed.files), *(_copy(tree, path) for path in listed.local)]
    return Install([*copied, install, COPY_SOURCE], names, why, git=listed.git)


def _copies(files: Iterable[str]) -> list[str]:
    """A COPY a folder, the files' own places kept."""
    folders: dict[str, list[str]] = {}
    for path in files:
        folders.setdefault(posixpath.dirname(path), []).append(path)
    return [_copy_line(paths, f"./{folder}/" if folder else "./") for folder, paths in folders.items()]


def _copy(tree: Tree, path: str) -> str:
    parent = posixpath.dirname(path)
    return _copy_line([path], f"./{path}/" if tree.has_folder(path) else f"./{parent}/" if parent else "./")


def _copy_line(paths: list[str], target: str) -> str:
    """The JSON form when a name has spaces."""
    if any(" " in path for path in (*paths, target)):
        return f"COPY {json.dumps([*paths, target])}"
    return f"COPY {' '.join(paths)} {target}"


def _project(tree: Tree, project: dict[str, Any]) -> Install:
    lines = projects.project_requirements(project)
    made = _plain(lines, "pyproject.toml: the distributions that it names are installed")
    return _with_package(tree, project, made)


def _plain(lines: list[str], why: str) -> Install:
    """Requirements that stand in the Dockerfile itself."""
    local = any(line.startswith(".") for line in lines)
    install = [f"RUN pip install {' '.join(quoted(line) for line in lines)}"] if lines else []
    ordered = [COPY_SOURCE, *install] if local else [*install, COPY_SOURCE]
    return Install(ordered, projects.names(lines), why, git=any("git+" in line for line in lines))


def _with_package(tree: Tree, project: dict[str, Any], made: Install) -> Install:
    """The project itself is installed too where it is a package."""
    if not project:
        return made
    reason = projects.why_no_package(tree, project)
    if reason:
        made.why += f"; the project is not installed as a package ({reason})"
    else:
        made.lines.append("RUN pip install --no-deps .")
        made.packaged = True
    return made


def _pipfile_python(tree: Tree) -> str:
    asked = projects.table(projects.toml(tree, "Pipfile"), "requires") if tree.has("Pipfile") else {}
    return str(asked.get("python_version") or "")
