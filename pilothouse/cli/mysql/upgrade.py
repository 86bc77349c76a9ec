"""`ph mysql upgrade`: another version of the server, member by member, and the way back."""

import click

from pilothouse.cli.mysql import change, standing, values
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

BEFORE = "databases.pilothouse.dev/version-before"
"""Annotation: the version, or the image of a registry, that an instance ran before its last upgrade by `ph`."""


@click.command()
@values.INSTANCE
@click.option("--version", type=values.VERSION, metavar="VERSION", help="The version to run, such as 10.11.19.")
@values.IMAGE
@click.option("--undo", is_flag=True, help="Go back to what it ran before the last upgrade.")
@change.operation(900)
@pass_session
def upgrade(
    session: Session,
    instance: str,
    version: str | None,
    image: str | None,
    undo: bool,
    namespace: str,
    dry_run: bool,
    wait: bool,
    timeout: float,
) -> None:
    """Run another version of the server: replicas first, then a switchover, the old primary last.

    \b
    Examples:
      ph mysql upgrade orders --version 10.11.19
      ph mysql upgrade orders --image registry.example.org/mysql:8.4.7
      ph mysql upgrade orders --undo
    """
    if [version is not None, image is not None, undo].count(True) != 1:
        raise click.UsageError("say which version: --version VERSION, --image IMAGE, or --undo for the one before")
    run(_upgrade(session, instance, version or image, namespace, change.How.of(dry_run, wait, timeout)))


async def _upgrade(session: Session, name: str, wanted: str | None, namespace: str, how: change.How) -> None:
    """wanted: a version or an image; None for what it ran before."""
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        spec = target(wanted or before(instance))
        await change.carry_out(client, instance, spec, how, runs, annotations=noted(instance, spec))


def target(wanted: str) -> Object:
    """What of the spec asks for a version, or for an image of a registry."""
    return {"version": wanted, "image": None} if wanted[0].isdigit() and "/" not in wanted else {"version": "", "image": wanted}


def noted(instance: Object, spec: Object) -> dict[str, str]:
    """The annotation by which it finds back from another version. spec: see `target`."""
    has = running(instance)
    return {BEFORE: has} if has and not _runs_already(instance, spec) else {}


def before(instance: Object) -> str:
    """Raises ClickException when it was not upgraded by `ph`."""
    found = meta.annotations(instance).get(BEFORE, "")
    if not found:
        raise click.ClickException(f"no version of {meta.name(instance)} before this one is known: name it with --version")
    return found


def running(instance: Object) -> str:
    """The image by its digest where one was named, else the version; "" for nothing."""
    said = standing.status(instance)
    return str((said.get("image") if said.get("imageAsked") else bare(said.get("version") or "")) or "")


def _runs_already(instance: Object, spec: Object) -> bool:
    said = standing.status(instance)
    if spec["image"]:
        return spec["image"] in (said.get("imageAsked"), said.get("image"))
    return not said.get("imageAsked") and standing.is_version(said.get("version") or "", spec["version"])


def bare(version: str) -> str:
    """10.11.18 of 10.11.18-MariaDB-0+deb12u1-log."""
    return version.partition("-")[0]


def runs(instance: Object) -> str:
    spec, said, name = instance["spec"], standing.status(instance), meta.name(instance)
    version = said.get("version") or ""
    if spec.get("image"):
        told = f" ({version})" if version else ""
        return f"{name} runs {said['image']}{told}" if standing.has_image(instance) else f"{name} is to run {spec['image']}"
    wanted = spec.get("version") or ""
    return f"{name} runs {version}" if version and standing.is_version(version, wanted) else f"{name} is to run {wanted}"
