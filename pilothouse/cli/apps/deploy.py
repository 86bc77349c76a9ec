"""`ph deploy`: a folder or a Git repository becomes a running app."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from pilothouse.cli import output
from pilothouse.cli.apps import source
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run
from pilothouse.model.json import Object

_KEY = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for; None and empty mean: as it is, or the default."""

    where: str
    name: str
    namespace: str
    port: int | None = None
    replicas: int | None = None
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    hosts: tuple[str, ...] = ()
    build_args: dict[str, str] = field(default_factory=dict)
    dockerfile: str | None = None
    cpu: str | None = None
    memory: str | None = None
    health: str | None = None
    image: str | None = None


def pairs(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE options as a mapping; a KEY alone takes its value from the environment."""
    import os

    found: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not _KEY.match(key):
            raise click.BadParameter(f"{key!r} is not a variable's name: use letters, digits and _", context, option)
        if not equals and key not in os.environ:
            raise click.BadParameter(f"{key} has no value: write {key}=VALUE or set it in the environment", context, option)
        found[key] = value if equals else os.environ[key]
    return found


@click.command()
@click.argument("where", metavar="PATH|GIT-URL", default=".")
@click.option("--name", help="The app's name (default: the folder's).")
@NAMESPACE
@click.option("--port", type=click.IntRange(1, 65535), help="The port the app listens on (default: EXPOSE of the Dockerfile, or 8080).")
@click.option("--replicas", type=click.IntRange(0), help="How many replicas run (default: as it is, 1 at first).")
@click.option(
    "-e",
    "--env",
    multiple=True,
    callback=pairs,
    metavar="KEY[=VALUE]",
    help="An environment variable; without a value, taken from your environment; may be repeated.",
)
@click.option(
    "--secret",
    multiple=True,
    callback=pairs,
    metavar="KEY[=VALUE]",
    help="A variable kept in a Secret; without a value, taken from your environment.",
)
@click.option("--host", multiple=True, metavar="NAME", help="A host name of the route (default: NAME.localhost); may be repeated.")
@click.option("--build-arg", multiple=True, callback=pairs, metavar="KEY=VALUE", help="A build argument; may be repeated.")
@click.option("--dockerfile", metavar="FILE", help="The Dockerfile, relative to the source.")
@click.option("--image", metavar="IMAGE", help="Run this image; nothing is built and PATH is not looked at.")
@click.option("--cpu", metavar="QUANTITY", help="CPU limit of a replica, such as 500m.")
@click.option("--memory", metavar="QUANTITY", help="Memory limit of a replica, such as 256Mi.")
@click.option("--health", metavar="PATH", help="An HTTP path that answers below 400 when a replica can serve.")
@click.option("--explain", is_flag=True, help="Show the Dockerfile that would be used, and stop.")
@click.option("--dry-run", is_flag=True, help="Show the App that would be applied, and stop.")
@click.option("--detach", is_flag=True, help="Do not wait for the rollout.")
@click.option("--timeout", type=click.FloatRange(1), default=900, show_default=True, metavar="SECONDS", help="How long to wait.")
@pass_session
def deploy(session: Session, /, where: str, explain: bool, dry_run: bool, detach: bool, timeout: float, **options: Any) -> None:
    """Build a source tree and run it.

    \b
    Examples:
      ph deploy                                  what is in this folder
      ph deploy ./shop --port 3000 -e MODE=live
      ph deploy https://git.example.org/shop.git
      ph deploy --explain                        which Dockerfile would be used?
      ph deploy --image 127.0.0.1:5000/shop:1 --name shop
    """
    image = options["image"]
    name = options["name"] or source.name_from(image.rpartition(":")[0] if image else _shown_name(where))
    wish = Wish(
        where=where,
        name=name,
        namespace=options["namespace"],
        port=options["port"],
        replicas=options["replicas"],
        env=options["env"],
        secrets=options["secret"],
        hosts=options["host"],
        build_args=options["build_arg"],
        dockerfile=options["dockerfile"],
        cpu=options["cpu"],
        memory=options["memory"],
        health=options["health"],
        image=image,
    )
    prepared = prepare(wish)
    if explain:
        for line in prepared.why:
            output.note(line)
        click.echo(prepared.dockerfile or "(the repository's own Dockerfile)", nl=not prepared.dockerfile)
        return
    run(_deploy(session, wish, prepared, dry_run, detach, timeout))


def _shown_name(where: str) -> str:
    return where if source.is_git_url(where) else Path(where).absolute().name


@dataclass(frozen=True, slots=True)
class Prepared:
    """tree: None for a repository. inline: a made Dockerfile, "" when the source has one. port: that it names."""

    tree: Path | None
    dockerfile: str
    inline: str
    port: int | None
    why: tuple[str, ...] = ()


def prepare(wish: Wish) -> Prepared:
    """Look at the source; raises ClickException when it cannot be built."""
    from pilothouse.platform.builds.bases import offered_versions
    from pilothouse.platform.builds.detect import CannotDetect, Offer, Tree, detect
    from pilothouse.platform.builds.dockerfile import exposed_port

    if wish.image or source.is_git_url(wish.where):
        return Prepared(None, "", "", None)
    tree = Path(wish.where).absolute()
    if not tree.is_dir():
        raise click.ClickException(f"{wish.where} is no folder and no Git URL")
    own = tree / (wish.dockerfile or "Dockerfile")
    if own.is_file():
        text = own.read_text(errors="replace")
        return Prepared(tree, text, "", exposed_port(text), (f"{own} is there and is used",))
    if wish.dockerfile:
        raise click.ClickException(f"{own} does not exist: name a file inside {tree} with --dockerfile")
    try:
        found = detect(Tree.at(tree), Offer(offered_versions()), wish.port)
    except CannotDetect as error:
        raise click.ClickException(str(error)) from error
    return Prepared(tree, found.dockerfile, found.dockerfile, found.port, found.why)


async def _deploy(session: Session, wish: Wish, prepared: Prepared, dry_run: bool, detach: bool, timeout_s: float) -> None:
    from pilothouse.cli.apps.rollout import Rollout
    from pilothouse.platform.apps.types import APPS

    async with connected(session) as client:
        before = await client.get_or_none(APPS, wish.name, wish.namespace)
        place = None if wish.image else await _place(client, wish, prepared, dry_run)
        wanted = app(wish, prepared, before, place)
        if dry_run:
            output.document(wanted, "yaml")
            return
        await _write_secrets(client, wish)
        rollout = Rollout(client, wanted, before)
        changed = await rollout.apply()
        output.note(f"deploying {wish.name}" if changed else f"{wish.name} is deployed just so already")
        if not detach:
            await rollout.follow(timeout_s)


async def _place(client: Any, wish: Wish, prepared: Prepared, dry_run: bool) -> Object:
    """Where the build finds the source: a repository, or the tree uploaded to the platform's registry."""
    from pilothouse.oci.registry import Registry, digest_of_file

    if prepared.tree is None:
        url, _, revision = wish.where.partition("#")
        return {"git": {"url": url, "revision": revision}}
    with source.packed(prepared.tree, wish.dockerfile or "Dockerfile") as archive:
        digest = digest_of_file(archive)
        repository = f"sources/{wish.namespace}/{wish.name}"
        if not dry_run:
            size = archive.stat().st_size
            with output.Progress().step(f"uploading the source ({size / 1e6:.1f} MB)"):
                async with Registry(await _registry(client)) as registry:
                    await registry.push_artifact(repository, digest[7:23], archive)
    return {"upload": {"repository": repository, "digest": digest}}


async def _registry(client: Any) -> str:
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


def app(wish: Wish, prepared: Prepared, before: Object | None, place: Object | None) -> Object:
    """The App to apply: what is asked for over what is there."""
    spec: Object = dict((before or {}).get("spec") or {})
    if place is not None:
        build: Object = {key: value for key, value in (spec.get("build") or {}).items() if key != "inline"}
        build |= {"inline": prepared.inline} if prepared.inline else {}
        build |= {"dockerfile": wish.dockerfile} if wish.dockerfile else {}
        if wish.build_args:
            build["args"] = (build.get("args") or {}) | wish.build_args
        spec |= {"source": place, "build": build, "image": ""}
    else:
        spec |= {"image": wish.image, "source": None}
    port = wish.port or spec.get("port") or prepared.port
    given = {"port": port, "replicas": wish.replicas, "hosts": list(wish.hosts) or None}
    spec |= {key: value for key, value in given.items() if value is not None}
    if wish.env:
        spec["env"] = (spec.get("env") or {}) | wish.env
    limits = {key: value for key, value in (("cpu", wish.cpu), ("memory", wish.memory)) if value}
    if limits:
        spec["resources"] = (spec.get("resources") or {}) | limits
    if wish.health:
        spec["health"] = {"path": wish.health}
    if wish.secrets and (name := secret_name(wish.name)) not in spec.get("secrets", []):
        spec["secrets"] = [*spec.get("secrets", []), name]
    return {
        "apiVersion": "apps.pilothouse.dev/v1",
        "kind": "App",
        "metadata": {"name": wish.name, "namespace": wish.namespace},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


def secret_name(app_name: str) -> str:
    return f"{app_name}-secrets"


async def _write_secrets(client: Any, wish: Wish) -> None:
    """The app's own Secret, with the given keys added or changed."""
    from pilothouse.model import kinds

    if not wish.secrets:
        return
    name = secret_name(wish.name)
    if await client.get_or_none(kinds.SECRETS, name, wish.namespace) is None:
        metadata = {"name": name, "namespace": wish.namespace, "labels": {"app.kubernetes.io/name": wish.name}}
        await client.create(kinds.SECRETS, {"metadata": metadata, "stringData": wish.secrets})
    else:
        await client.patch(kinds.SECRETS, name, {"stringData": wish.secrets}, namespace=wish.namespace)
