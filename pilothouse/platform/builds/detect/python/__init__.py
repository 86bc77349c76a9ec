"""Python projects: dependencies, the interpreter's version, system packages and the command that serves."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from pilothouse.platform.builds.detect import versions
from pilothouse.platform.builds.detect.plan import CannotDetect, Offer
from pilothouse.platform.builds.detect.python import project as projects
from pilothouse.platform.builds.detect.python.django import django, is_django
from pilothouse.platform.builds.detect.python.find import application, foreign_imports
from pilothouse.platform.builds.detect.python.install import Install, installation
from pilothouse.platform.builds.detect.python.modules import read_module
from pilothouse.platform.builds.detect.python.web import SCRIPTS, Web, served
from pilothouse.platform.builds.detect.recipe import APP_USER, COPY_SOURCE, Recipe, apt_install
from pilothouse.platform.builds.detect.tree import Tree

PIP = "PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1"
NATIVE = {
    "psycopg2": ("libpq-dev",),
    "mysqlclient": ("default-libmysqlclient-dev", "pkg-config"),
    "pyodbc": ("unixodbc-dev",),
    "python-ldap": ("libldap2-dev", "libsasl2-dev"),
    "xmlsec": ("libxmlsec1-dev", "pkg-config"),
    "pycairo": ("libcairo2-dev", "pkg-config"),
    "uwsgi": (),
    "pygraphviz": ("graphviz", "libgraphviz-dev"),
}
"""Distributions without wheels for Linux, with the Debian packages that compile them."""
LIBRARIES = {
    "weasyprint": ("libpango-1.0-0", "libpangoft2-1.0-0"),
    "pyzbar": ("libzbar0",),
    "pydub": ("ffmpeg",),
    "opencv-python": ("libgl1", "libglib2.0-0"),
}
"""Debian packages that wheels load at run time."""
_MARKS = ("requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "setup.cfg", "manage.py", "uv.lock", "poetry.lock", "runtime.txt")
_PINS = {
    ".python-version": re.compile(r"^\s*(?:cpython|python)?[-@]?(\d+(?:\.\d+)+)\s*(?:#.*)?$", re.MULTILINE),
    "runtime.txt": re.compile(r"^\s*python-?(\d+(?:\.\d+)+)", re.MULTILINE),
    ".tool-versions": re.compile(r"^python\s+(\d+(?:\.\d+)+)", re.MULTILINE),
}
"""Files that name a version, and where it stands in them: pyenv's and uv's may have comments and more versions below the first."""


def is_python(tree: Tree) -> bool:
    return bool(tree.first(*_MARKS)) or any(path.startswith("requirements/") for path in tree.files)


def has_script(tree: Tree) -> bool:
    return bool(tree.first(*SCRIPTS)) or any(path.endswith(".py") for path in tree.inside(""))


def recipe(tree: Tree, offer: Offer, given: Collection[str] = ()) -> Recipe:
    """given: command lines of a Procfile, which take the place of the one found. Raises CannotDetect."""
    version, version_why, warnings = _version(tree, offer)
    image = f"python:{version}-slim"
    install = installation(tree, image)
    if install is None:
        install = _without_requirements(tree)
    if install.python and not versions.allows(install.python, version):
        raise CannotDetect(
            f"{tree.name} asks for Python {install.python}, and the image that can be had is {image}: "
            "widen requires-python, or add a Dockerfile and set a registry with `ph config set registry.mirror HOST`"
        )
    scripts = (
        {str(name): str(target) for name, target in projects.table(_project(tree), "project", "scripts").items()}
        if install.packaged
        else {}
    )
    web = django(tree, install.names) if is_django(tree, install.names) else served(tree, install.names, scripts)
    if given:
        web = replace(web, packages=tuple(name for name in web.packages if name == "whitenoise" or any(name in line for line in given)))
    return Recipe(
        language="python",
        build=_build(tree, image, install, web),
        web=web.command,
        why=(f"Python {version}{version_why}", install.why),
        web_why=web.why,
        port=web.port,
        processes=web.processes,
        missing=web.missing,
        warnings=(*warnings, *web.warnings),
        variables=_variables(tree, web),
    )


def _project(tree: Tree) -> dict[str, Any]:
    return projects.toml(tree, "pyproject.toml")


def _version(tree: Tree, offer: Offer) -> tuple[str, str, tuple[str, ...]]:
    """(version of the base image, why, warnings)."""
    preferred = offer.preferred("python", "3.11")
    place, asked = _asked(tree)
    if not asked:
        wanted = str(projects.table(_project(tree), "project").get("requires-python") or "")
        return _in_range(wanted, offer, preferred)
    if not offer.exact:
        return asked, f" ({place})", ()
    if fitting := offer.fitting("python", ".".join(asked.split(".")[:2])):
        return fitting, f" ({place})", ()
    nearest = offer.nearest("python", asked, preferred)
    return nearest, "", (f"{place} names Python {asked}; the nearest that can be had is {nearest}, which is used",)


def _in_range(wanted: str, offer: Offer, preferred: str) -> tuple[str, str, tuple[str, ...]]:
    if not wanted or versions.allows(wanted, preferred):
        return preferred, "", ()
    newest = next((f"3.{minor}" for minor in range(14, 8, -1) if versions.allows(wanted, f"3.{minor}")), preferred)
    fitting = offer.fitting("python", wanted) if offer.exact else newest
    return fitting or preferred, f" (requires-python {wanted})" if fitting else "", ()


def _asked(tree: Tree) -> tuple[str, str]:
    """(file, version) of .python-version, runtime.txt or .tool-versions."""
    for path, pattern in _PINS.items():
        if found := pattern.search(tree.text(path)):
            return path, found[1]
    return "", ""


def _without_requirements(tree: Tree) -> Install:
    """A tree of scripts: what they import must be in the standard library or in the tree."""
    found = application(tree)
    script = found.source.path if found else tree.first(*SCRIPTS)
    foreign = foreign_imports(tree, read_module(tree, script)) if script else []
    if foreign:
        raise CannotDetect(
            f"{script} imports {', '.join(foreign[:5])}, and nothing says which distributions to install: add a requirements.txt"
        )
    return Install([COPY_SOURCE], set(), f"no requirements: {script or 'the source'} needs the standard library alone")


def _build(tree: Tree, image: str, install: Install, web: Web) -> tuple[str, ...]:
    extra = [f"RUN pip install {' '.join(web.packages)}"] if web.packages else []
    at = install.lines.index(COPY_SOURCE)
    lines = [*install.lines[:at], *extra, *install.lines[at:]] if at else [*install.lines, *extra]
    stage = [install.stage[0], f"ENV {PIP}", *install.stage[1:], ""] if install.stage else []
    packages = _system_packages(tree, install)
    return (
        *stage,
        f"FROM {image}",
        *([apt_install(*packages)] if packages else []),
        "WORKDIR /app",
        APP_USER,
        f"ENV {PIP} PYTHONUNBUFFERED=1 FORWARDED_ALLOW_IPS=*",
        *lines,
        *web.after,
    )


def _system_packages(tree: Tree, install: Install) -> list[str]:
    """From an Aptfile, and for what is known to need them."""
    found: list[str] = []
    for name in sorted(install.names & NATIVE.keys()):
        found += ["build-essential", "python3-dev", *NATIVE[name]]
    for name in sorted(install.names & LIBRARIES.keys()):
        found += LIBRARIES[name]
    found += ["git"] if install.git else []
    named = [line.strip() for line in tree.text("Aptfile").splitlines()]
    found += [line for line in named if re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", line)]
    return list(dict.fromkeys(found))


def _variables(tree: Tree, web: Web) -> dict[str, str]:
    """PYTHONPATH: the source itself, so that its files and not an installed copy are what runs."""
    entries = ["/app/src"] if tree.has_folder("src") and not tree.has("src/__init__.py") else []
    entries += [f"/app/{web.path_entry}"] if web.path_entry and f"/app/{web.path_entry}" not in entries else []
    entries += ["/opt/pilothouse"] if "pilothouse_settings" in web.variables.values() else []
    return {"PYTHONPATH": ":".join([*entries, "/app"]), **web.variables}
