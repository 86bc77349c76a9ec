"""What a source tree is, and how an image is made of it, from its files alone (pure standard library, so that it runs in a build too).

What is found is always said, never guessed silently; what a tree has that is not taken is a warning; a tree that does
not say how to run it is refused with what it would take. The order of languages is that of how telling their files are.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from pilothouse.platform.builds.detect import golang, java, node, php, python, ruby, rust, shell, static, unsupported
from pilothouse.platform.builds.detect.appjson import AppJson, app_json
from pilothouse.platform.builds.detect.node.package import package
from pilothouse.platform.builds.detect.plan import RELEASE, WEB, CannotDetect, Detected, Offer, Process
from pilothouse.platform.builds.detect.procfile import procfile
from pilothouse.platform.builds.detect.recipe import SERVER_PORT, Recipe
from pilothouse.platform.builds.detect.tree import Tree

DEFAULT_PORT = 8080
SHELL = "/bin/bash"
"""Of images made here; a tree's own Dockerfile is asked for no more than /bin/sh."""
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")

__all__ = ["CannotDetect", "Detected", "Offer", "Process", "Tree", "detect", "detect_with_dockerfile"]


def detect(tree: Tree | Path, offer: Offer, port: int | None = None) -> Detected:
    """For a tree without a Dockerfile. port: what the user has set. Raises CannotDetect."""
    tree = tree if isinstance(tree, Tree) else Tree.at(tree)
    with _bounded(tree):
        return _detected(tree, offer, port)


@contextlib.contextmanager
def _bounded(tree: Tree) -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise CannotDetect(f"a file of {tree.name} is nested too deeply to be read: add a Dockerfile, or take it out") from error


def _detected(tree: Tree, offer: Offer, port: int | None) -> Detected:
    lines, settings = procfile(tree), app_json(tree)
    recipe = _recipe(tree, offer, port or SERVER_PORT, lines)
    if not recipe.web and not lines:
        raise CannotDetect(recipe.missing)
    web_port = _web_port(recipe, lines, port)
    variables = {**({"PORT": str(web_port)} if web_port else {}), **recipe.variables}
    processes = _processes(recipe, lines, settings, SHELL)
    return Detected(
        language=recipe.language,
        dockerfile=_dockerfile(recipe, variables, web_port, processes),
        port=web_port,
        why=(*recipe.why, *([recipe.web_why] if not lines else []), *_why(lines, settings)),
        processes=processes,
        health=settings.health,
        environment=settings.environment,
        generated=settings.generated,
        required=settings.required,
        warnings=(*recipe.warnings, *_warnings(tree, lines, settings)),
    )


def detect_with_dockerfile(tree: Tree, dockerfile: str) -> Detected:
    """What a tree with a Dockerfile says beside it: processes of a Procfile, app.json. dockerfile: its path. Raises CannotDetect."""
    with _bounded(tree):
        return _beside(tree, dockerfile)


def _beside(tree: Tree, dockerfile: str) -> Detected:
    lines, settings = procfile(tree), app_json(tree)
    processes = {name: Process(line, shell.argv(line)) for name, line in lines.items()} | _from_settings(lines, settings, "/bin/sh")
    why = (f"{dockerfile} is there and is used", *_why(lines, settings))
    found = Detected("", "", None, why, processes, settings.health, settings.environment)
    return replace(found, generated=settings.generated, required=settings.required, warnings=_warnings(tree, lines, settings))


def _recipe(tree: Tree, offer: Offer, port: int, lines: dict[str, str]) -> Recipe:
    kinds: tuple[tuple[Callable[[Tree], bool], Callable[[], Recipe]], ...] = (
        (_is_node_first, lambda: node.recipe(tree, offer, port, lines.values())),
        (golang.is_go, lambda: golang.recipe(tree, offer)),
        (rust.is_rust, lambda: rust.recipe(tree, offer)),
        (java.is_java, lambda: java.recipe(tree, offer)),
        (php.is_php, lambda: php.recipe(tree, offer, port)),
        (ruby.is_ruby, lambda: ruby.recipe(tree, offer)),
        (python.is_python, lambda: python.recipe(tree, offer, lines.values())),
        (_is_node, lambda: node.recipe(tree, offer, port, lines.values())),
        (lambda tree: _is_served_by_script(tree, offer), lambda: python.recipe(tree, offer, lines.values())),
        (lambda tree: static.site_folder(tree) is not None, lambda: static.recipe(tree, static.site_folder(tree) or "", port)),
    )
    for fits, made in kinds:
        if fits(tree):
            return made()
    raise CannotDetect(unsupported.refusal(tree) or _unknown(tree))


def _is_node(tree: Tree) -> bool:
    """A package.json beside an index.html counts when it has something to run."""
    return node.is_node(tree) and (static.site_folder(tree) is None or bool({"start", "build"} & package(tree).scripts.keys()))


def _is_served_by_script(tree: Tree, offer: Offer) -> bool:
    """A script beside an index.html may be there to make the site, not to serve it."""
    return python.has_script(tree) and (static.site_folder(tree) is None or bool(python.recipe(tree, offer).web))


def _is_node_first(tree: Tree) -> bool:
    """In other languages' projects a package.json is often there for their style sheets only."""
    others = (golang.is_go, rust.is_rust, java.is_java, php.is_php, ruby.is_ruby, python.is_python)
    return _is_node(tree) and not any(is_other(tree) for is_other in others)


def _unknown(tree: Tree) -> str:
    if compose := tree.first(*COMPOSE_FILES):
        return f"{tree.name} has no Dockerfile, but {compose}: `ph compose up` reads it"
    if not tree.files:
        return f"{tree.name} is empty: there is nothing to deploy"
    folders = [folder for folder in sorted({path.split("/")[0] for path in tree.files if "/" in path}) if _has_project(tree, folder)]
    if not folders and (lacking := unsupported.without_build_file(tree)):
        return lacking
    hint = f"; is it one of its folders, such as `ph deploy {tree.name}/{folders[0]}`?" if folders else ""
    return (
        f"{tree.name} has no Dockerfile and is no project of a kind that is known here (no requirements.txt, pyproject.toml, package.json, "
        f"go.mod, Gemfile, composer.json, pom.xml, Cargo.toml or index.html): add a Dockerfile that says how to build it{hint}"
    )


def _has_project(tree: Tree, folder: str) -> bool:
    marks = ("Dockerfile", "requirements.txt", "pyproject.toml", "package.json", "go.mod", "index.html", "Gemfile", "pom.xml")
    return any(tree.has(f"{folder}/{mark}") for mark in marks)


def _web_port(recipe: Recipe, lines: dict[str, str], port: int | None) -> int | None:
    """A Procfile without `web` has no port; a command of a Procfile finds its port in PORT; a recipe's may name one."""
    if lines and WEB not in lines:
        return None
    if WEB in lines:
        return port or DEFAULT_PORT
    return port or recipe.port or DEFAULT_PORT


def _processes(recipe: Recipe, lines: dict[str, str], settings: AppJson, program: str) -> dict[str, Process]:
    """The Procfile's where there is one (an app without `web` in it has none), else the recipe's own; app.json adds to both."""
    wanted = dict(lines) if lines else {WEB: recipe.web, **recipe.processes}
    made = {name: Process(line, shell.argv(line, program)) for name, line in wanted.items()}
    return made | _from_settings(wanted, settings, program)


def _from_settings(lines: dict[str, str], settings: AppJson, program: str) -> dict[str, Process]:
    made = {name: Process(line, shell.argv(line, program), schedule) for name, (schedule, line) in settings.cron.items()}
    if settings.release and RELEASE not in lines:
        made[RELEASE] = Process(settings.release, shell.argv(settings.release, program))
    return made


def _dockerfile(recipe: Recipe, variables: dict[str, str], port: int | None, processes: dict[str, Process]) -> str:
    """The image runs `web`, or its first process where there is none."""
    first = processes.get(WEB) or next((process for name, process in processes.items() if name != RELEASE and not process.schedule), None)
    settings = [f"ENV {' '.join(f'{name}={value}' for name, value in variables.items())}"] if variables else []
    exposed = [f"EXPOSE {port}"] if port else []
    user = [f"USER {recipe.user}"] if recipe.user and f"USER {recipe.user}" not in recipe.build else []
    command = [f"CMD {json.dumps(list(first.argv), ensure_ascii=False)}"] if first else []
    return "\n".join([*recipe.build, *settings, *exposed, *user, *command]) + "\n"


def _why(lines: dict[str, str], settings: AppJson) -> tuple[str, ...]:
    said = [f"Procfile: {name} runs {line}" for name, line in lines.items()]
    said += [f"app.json: {name} runs {line} at {schedule}" for name, (schedule, line) in settings.cron.items()]
    said += [f"app.json: {settings.release} runs before each rollout"] if settings.release and RELEASE not in lines else []
    said += [f"app.json: health check {settings.health}"] if settings.health else []
    return tuple(said)


def _warnings(tree: Tree, lines: dict[str, str], settings: AppJson) -> tuple[str, ...]:
    said = []
    if compose := tree.first(*COMPOSE_FILES):
        said.append(f"{compose} is not read: `ph compose up` deploys its services")
    if settings.ignored:
        said.append(f"app.json: {', '.join(settings.ignored)} are not taken")
    if RELEASE in lines and settings.release:
        said.append("app.json: scripts.dokku.predeploy is not taken, since the Procfile has `release`")
    return tuple(said)
