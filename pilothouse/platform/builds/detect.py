"""A Dockerfile for a source tree that has none: plain Python web projects with a server that is known.

What is found is always shown (`ph deploy --explain`), never guessed silently: a tree that does not say what to run is
refused with what it would take.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_APP = re.compile(r"^(app|application|server|api)\s*(?::[^=]+)?=\s*(?!=)", re.MULTILINE)
_FACTORY = re.compile(r"^def (create_app|make_app)\(", re.MULTILINE)
_MODULES = ("app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "application.py", "api.py")
_ASGI = frozenset({"fastapi", "starlette", "litestar", "quart", "uvicorn", "hypercorn", "sanic", "blacksheep"})
_WSGI = frozenset({"flask", "django", "gunicorn", "bottle", "falcon", "pyramid", "waitress", "dash", "web-py"})


class CannotDetect(Exception):
    """No Dockerfile and nothing to make one from; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Detected:
    """dockerfile: its text. why: what was found, a line each."""

    dockerfile: str
    port: int
    why: tuple[str, ...]


def detect(tree: Path, python: str, port: int = 8080) -> Detected:
    """python: the version of the base image, such as "3.11". Raises CannotDetect."""
    if not (tree / "requirements.txt").is_file() and not (tree / "pyproject.toml").is_file():
        raise CannotDetect(
            f"{tree} has no Dockerfile and is no Python project (no requirements.txt or pyproject.toml): "
            "add a Dockerfile that says how to build it"
        )
    dependencies = _dependencies(tree)
    command, extra, why = _command(tree, dependencies, port)
    return Detected(_dockerfile(tree, python, port, command, extra), port, tuple(why))


def _dependencies(tree: Path) -> set[str]:
    """Names as PyPI normalises them."""
    lines: list[str] = []
    if (tree / "requirements.txt").is_file():
        lines += (tree / "requirements.txt").read_text(errors="replace").splitlines()
    if (tree / "pyproject.toml").is_file():
        lines += _project_dependencies(tree / "pyproject.toml")
    return {re.sub(r"[-_.]+", "-", found[1]).lower() for line in lines if (found := _NAME.match(line))}


def _project_dependencies(path: Path) -> list[str]:
    try:
        project = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise CannotDetect(f"{path} is not valid TOML: {error}") from error
    poetry = project.get("tool", {}).get("poetry", {}).get("dependencies", {})
    return [*project.get("project", {}).get("dependencies", []), *poetry]


def _command(tree: Path, dependencies: set[str], port: int) -> tuple[str, list[str], list[str]]:
    """(command line for a shell, packages to add, why)."""
    if web := _procfile(tree):
        return web, [], [f"Procfile says how to run it: {web}"]
    if (tree / "manage.py").is_file() and "django" in dependencies:
        return _django(tree, dependencies, port)
    if "streamlit" in dependencies:
        return _streamlit(tree, port)
    module = _module(tree)
    if module is None:
        raise CannotDetect(
            f"{tree} is a Python project, but none of {', '.join(_MODULES)} defines `app`: "
            "add a Procfile with `web: COMMAND` or a Dockerfile"
        )
    return _served(*module, dependencies, port)


def _procfile(tree: Path) -> str:
    if not (tree / "Procfile").is_file():
        return ""
    lines = (tree / "Procfile").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("web:")), "")


def _django(tree: Path, dependencies: set[str], port: int) -> tuple[str, list[str], list[str]]:
    found = re.search(r"[\"']DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([\w.]+)\.settings", (tree / "manage.py").read_text())
    if found is None:
        raise CannotDetect(f"{tree}/manage.py names no settings module: add a Procfile with `web: COMMAND` or a Dockerfile")
    command = f"gunicorn --bind 0.0.0.0:{port} --workers 2 {found[1]}.wsgi"
    return command, _unless("gunicorn", dependencies), [f"manage.py and django: the project {found[1]}, served by gunicorn"]


def _streamlit(tree: Path, port: int) -> tuple[str, list[str], list[str]]:
    script = next((name for name in ("streamlit_app.py", "app.py", "main.py") if (tree / name).is_file()), None)
    if script is None:
        raise CannotDetect(f"{tree} uses streamlit but has no app.py: add a Procfile with `web: COMMAND`")
    return f"streamlit run {script} --server.port {port} --server.address 0.0.0.0 --server.headless true", [], [f"streamlit runs {script}"]


def _module(tree: Path) -> tuple[str, str, str] | None:
    """(module, attribute, source text) of the application object."""
    roots = [folder for folder in (tree, tree / "src") if folder.is_dir()]
    places = [*roots, *(p for root in roots for p in sorted(root.iterdir()) if (p / "__init__.py").is_file())]
    for place in places:
        for name in (*_MODULES, "__init__.py"):
            path = place / name
            if not path.is_file():
                continue
            text = path.read_text(errors="replace")
            attribute = found[1] if (found := _APP.search(text)) else f"{found[1]}()" if (found := _FACTORY.search(text)) else None
            if attribute:
                parts = path.relative_to(tree).with_suffix("").parts
                return ".".join(part for part in parts if part not in ("src", "__init__")), attribute, text
    return None


def _served(module: str, attribute: str, text: str, dependencies: set[str], port: int) -> tuple[str, list[str], list[str]]:
    """By an ASGI server when the framework is one of those, else by gunicorn."""
    target = f"{module}:{attribute}"
    asgi = dependencies & _ASGI
    if asgi and not dependencies & {"flask", "django", "bottle"}:
        factory = attribute.endswith("()")
        command = f"uvicorn --host 0.0.0.0 --port {port} {'--factory ' if factory else ''}{target.removesuffix('()')}"
        return command, _unless("uvicorn", dependencies), [f"{', '.join(sorted(asgi))}: {target}, served by uvicorn"]
    found = sorted(dependencies & _WSGI) or ["a WSGI application"]
    quoted = f"'{target}'" if attribute.endswith("()") else target
    command = f"gunicorn --bind 0.0.0.0:{port} --workers 2 {quoted}"
    return command, _unless("gunicorn", dependencies), [f"{', '.join(found)}: {target}, served by gunicorn"]


def _unless(package: str, dependencies: Iterable[str]) -> list[str]:
    return [] if package in dependencies else [package]


def _dockerfile(tree: Path, python: str, port: int, command: str, extra: list[str]) -> str:
    requirements = (tree / "requirements.txt").is_file()
    copied = "COPY requirements.txt ./" if requirements else "COPY . ./"
    install = "-r requirements.txt" if requirements else "."
    path = " PYTHONPATH=/app/src" if (tree / "src").is_dir() else ""
    lines = [
        f"FROM python:{python}-slim",
        "WORKDIR /app",
        "RUN useradd --uid 10001 --no-create-home app && chown app /app",
        copied,
        f"RUN pip install --no-cache-dir {' '.join([install, *extra])}",
        *(["COPY . ./"] if requirements else []),
        f"ENV PORT={port} PYTHONUNBUFFERED=1{path}",
        f"EXPOSE {port}",
        "USER 10001",
        f"CMD exec {command}",
    ]
    return "\n".join(lines) + "\n"
