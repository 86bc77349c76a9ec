"""From what `ph deploy` was pointed at to a source that a Build can fetch."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.apps import source
from pilothouse.cli.apps.wish import Prepared, Wish
from pilothouse.model.json import Object
from pilothouse.platform.apps.processes import WEB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilothouse.client.client import Client
    from pilothouse.platform.builds.detect import Process

NOTHING = Prepared(None, "", "", None)


def prepare(wish: Wish, port: int | None = None) -> Prepared:
    """Look at a folder; raises ClickException when it cannot be built. port: the one that the app has set."""
    tree = Path(wish.where).absolute()
    if not tree.is_dir():
        raise click.ClickException(f"{wish.where} is no folder and no Git URL")
    return prepare_tree(wish, tree, port, name=str(tree))


def left_out(tree: Path, wish: Wish, before: Object | None) -> tuple[str, ...]:
    """Said until the app has variables: files such as `.env` hold secrets and are no part of an image."""
    names = source.secrets_left_out(tree, wish.dockerfile or "Dockerfile")
    spec = (before or {}).get("spec") or {}
    if not names or wish.env or wish.secrets or spec.get("env") or spec.get("secrets"):
        return ()
    return (f"{', '.join(names)} stays out of the image: give its variables with --env-file {shlex.quote(str(tree / names[0]))}",)


def prepare_tree(wish: Wish, tree: Path, port: int | None, *, name: str) -> Prepared:
    """name: what messages call the tree."""
    own = tree / (wish.dockerfile or "Dockerfile")
    _require_inside(tree, wish.dockerfile or "Dockerfile", name)
    if own.is_file():
        return _with_own(tree, own, name, wish.target or "")
    if wish.dockerfile:
        raise click.ClickException(f"{name} has no file {wish.dockerfile}: name one inside it with --dockerfile ('' for the usual)")
    if wish.target:
        raise click.ClickException(f"{name} has no Dockerfile, of which {wish.target} could be a stage: leave --target out")
    given = port if wish.port is None else wish.port
    return _detected(tree, given if given and given > 0 else None, name)


def _require_inside(tree: Path, dockerfile: str, name: str) -> None:
    """A build sees the source alone, where a link or a path that leads out of it ends nowhere."""
    path = Path(dockerfile)
    if path.is_absolute() or ".." in path.parts or not (tree / path).resolve().is_relative_to(tree.resolve()):
        raise click.ClickException(f"{dockerfile} leads out of {name}: copy it into the source, and name it there with --dockerfile")


def _with_own(tree: Path, own: Path, name: str, target: str) -> Prepared:
    from pilothouse.platform.builds.detect import CannotDetect, Tree, detect_with_dockerfile
    from pilothouse.platform.builds.dockerfile import NoStage, exposed_port, up_to_stage

    try:
        text = up_to_stage(own.read_text(errors="replace"), target)
        found = detect_with_dockerfile(Tree.at(tree, name), str(own.relative_to(tree)))
    except (CannotDetect, NoStage) as error:
        raise click.ClickException(str(error)) from error
    made = _as_spec(found.processes)
    prepared = Prepared(tree, text, "", exposed_port(text), found.why, made, found.health, found.environment, warnings=found.warnings)
    return replace(prepared, generated=found.generated, required=found.required)


def _detected(tree: Path, port: int | None, name: str) -> Prepared:
    from pilothouse.cli.apps.detection import detected
    from pilothouse.platform.builds.detect import CannotDetect, Tree

    try:
        found = detected(Tree.at(tree, name), port)
    except CannotDetect as error:
        raise click.ClickException(str(error)) from error
    made = _as_spec(found.processes)
    if WEB in made:
        # The image's own command is that of `web`.
        made[WEB] = {}
    processes = {} if list(made) == [WEB] else made
    return Prepared(
        tree=tree,
        dockerfile=found.dockerfile,
        inline=found.dockerfile,
        port=found.port,
        why=found.why,
        processes=processes,
        health=found.health,
        environment=found.environment,
        generated=found.generated,
        required=found.required,
        warnings=found.warnings,
    )


def _as_spec(processes: "Mapping[str, Process]") -> dict[str, Object]:
    """Detected processes as the spec of an App has them."""
    return {
        name: {"command": list(process.argv)} | ({"schedule": process.schedule} if process.schedule else {})
        for name, process in processes.items()
    }


async def upload(client: "Client", wish: Wish, tree: Path) -> Object:
    """The tree in the platform's registry, as the App's spec names it."""
    from pilothouse.oci.registry import Registry, digest_of_file

    with source.packed(tree, wish.dockerfile or "Dockerfile") as archive:
        digest = digest_of_file(archive)
        repository = f"sources/{wish.namespace}/{wish.name}"
        size = archive.stat().st_size
        with output.Progress().step(f"uploading the source ({size / 1e6:.1f} MB)"):
            async with Registry(await _registry(client)) as registry:
                await registry.push_artifact(repository, digest[7:23], archive)
    return {"upload": {"repository": repository, "digest": digest}}


async def _registry(client: "Client") -> str:
    from pilothouse.cli.daemon.platform import INFO
    from pilothouse.model import kinds
    from pilothouse.model.errors import NotFound
    from pilothouse.platform.builds.pod import SYSTEM

    try:
        address: str = (await client.get(kinds.CONFIGMAPS, INFO, SYSTEM))["data"]["registry"]
    except NotFound as error:
        raise click.ClickException("the platform is not running on this cluster: start it with `ph up` or `ph run platform`") from error
    if not address:
        raise click.ClickException("this cluster's platform has no registry to build into: deploy an image with --image")
    return address
