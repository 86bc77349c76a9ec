"""`ph deploy`: a folder, a Git repository or an image becomes a running app."""

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import names, output
from pilothouse.cli.apps import origin, source, variables
from pilothouse.cli.apps.location import located
from pilothouse.cli.apps.values import PORT, checked
from pilothouse.cli.apps.volumes import option
from pilothouse.cli.apps.wish import Prepared, Wish
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

RESULT = click.option("-o", "--output", "how", type=click.Choice(["text", "json", "yaml"]), default="text", help="How to print the result.")
TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(1), default=900, show_default=True, metavar="SECONDS", help="How long to wait for the rollout."
)


@click.command()
@click.argument("where", metavar="PATH|GIT-URL[#REVISION[:FOLDER]]", default=".")
@click.option("--name", callback=checked("name"), shell_complete=names.apps, help="The app's name (default: the folder's).")
@NAMESPACE
@click.option(
    "--port",
    type=PORT,
    help="The port the app listens on: a number, `none` for an app without one, `auto` for what the image exposes, else 8080 (default).",
)
@click.option("--replicas", type=click.IntRange(0), help="How many replicas run (default: as it is, 1 at first).")
@click.option(
    "-e",
    "--env",
    multiple=True,
    callback=variables.pairs,
    metavar="KEY[=VALUE]",
    help="An environment variable; without a value, taken from your environment; may be repeated.",
)
@click.option("--env-file", multiple=True, callback=variables.files, metavar="FILE", help="Variables of a file of KEY=VALUE lines.")
@click.option(
    "--secret",
    multiple=True,
    callback=variables.pairs,
    metavar="KEY[=VALUE]",
    help="A variable kept in a Secret; without a value, taken from your environment.",
)
@click.option("--unset", multiple=True, callback=variables.names, metavar="KEY", help="Remove a variable or secret; may be repeated.")
@click.option(
    "--host",
    multiple=True,
    callback=checked("host"),
    metavar="NAME",
    help="A host name of the route (default: NAME.localhost); may be repeated; '' goes back to the default.",
)
@click.option(
    "--volume",
    multiple=True,
    callback=option.volumes_of,
    metavar=option.METAVAR,
    help="A folder whose files outlive the replicas, 1Gi when no SIZE is given; OPTION: ro, rwx, claim=NAME, class=NAME, process=NAME; "
    "may be repeated.",
)
@click.option(
    "--no-volume",
    multiple=True,
    callback=option.names_of,
    shell_complete=names.volumes_of_app,
    metavar="NAME",
    help="Take a volume out of the app; what is in it stays. May be repeated.",
)
@click.option("--build-arg", multiple=True, callback=variables.pairs, metavar="KEY=VALUE", help="A build argument; may be repeated.")
@click.option("--dockerfile", metavar="FILE", help="The Dockerfile, relative to the source.")
@click.option("--target", metavar="STAGE", help="The Dockerfile's stage that becomes the image; '' for the last one.")
@click.option("--image", callback=checked("image"), metavar="IMAGE", help="Run this image; nothing is built and PATH is not looked at.")
@click.option("--cpu", callback=checked("cpu"), metavar="QUANTITY", help="CPU limit of a replica, such as 500m; '' takes it off.")
@click.option("--memory", callback=checked("memory"), metavar="QUANTITY", help="Memory limit of a replica, such as 256Mi; '' takes it off.")
@click.option(
    "--health",
    callback=checked("health"),
    metavar="PATH",
    help="An HTTP path that answers below 400 when a replica can serve; '' for none.",
)
@click.option("--no-health", is_flag=True, help="An accepting port is enough: the same as --health ''.")
@click.option("--git-secret", metavar="NAME", help="The Secret with the credentials of a private repository; '' for none.")
@click.option(
    "--internal/--no-internal", default=None, help="No route from outside: other apps reach it by its name (default: as it is, a route)."
)
@click.option("--force", is_flag=True, help="Build anew, without the layers of earlier builds.")
@click.option("-y", "--yes", is_flag=True, help="Replace an app that came from another source without asking.")
@click.option("--explain", is_flag=True, help="Show the Dockerfile that would be used, and stop.")
@click.option("--dry-run", is_flag=True, help="Upload the source, show the App that would be applied, and stop.")
@click.option("--detach", is_flag=True, help="Do not wait for the rollout.")
@click.option("-v", "--verbose", is_flag=True, help="Show all that the build prints, not only its steps.")
@TIMEOUT
@RESULT
@pass_session
def deploy(session: Session, /, **options: Any) -> None:
    """Build a source tree and run it.

    What is not given stays as it is; what follows from the source follows it at each deploy.

    \b
    Examples:
      ph deploy                                  what is in this folder
      ph deploy ./shop --port 3000 -e MODE=live
      ph deploy https://git.example.org/shop.git#main
      ph deploy --volume data:/var/lib/shop:5Gi  files there outlive the replicas
      ph deploy --force                          build it again from the first step
      ph deploy --explain                        which Dockerfile would be used?
      ph deploy --image 127.0.0.1:5000/shop:1 --name shop
    """
    if not options["where"]:
        raise click.UsageError("the path is empty: name a folder, or leave it out for this one")
    wish = wished(options)
    if options["explain"]:
        run(_explain(wish))
        return
    run(_deploy(session, wish, options))


def wished(options: dict[str, Any]) -> Wish:
    """The command line's options as what they mean together; raises UsageError where they exclude each other."""
    image, where = options["image"], options["where"]
    if options["force"] and image:
        raise click.UsageError("--force builds anew, and an image is not built: `ph restart` replaces its replicas")
    if options["no_health"] and options["health"]:
        raise click.UsageError("--health and --no-health exclude each other")
    if both := sorted(options["env"].keys() & options["secret"].keys()):
        raise click.UsageError(f"{both[0]} is given as a variable and as a secret: leave one out")
    if both := sorted(options["volume"].keys() & set(options["no_volume"])):
        raise click.UsageError(f"volume {both[0]} is given with --volume and with --no-volume: leave one out")
    return Wish(
        where=where,
        name=options["name"] or source.name_from(origin.repository(image) if image else _shown_name(where)),
        namespace=options["namespace"],
        port=options["port"],
        replicas=options["replicas"],
        env={key: value for key, value in options["env_file"].items() if key not in options["secret"]} | options["env"],
        secrets=options["secret"],
        unset=options["unset"],
        hosts=options["host"],
        volumes=options["volume"],
        unmounted=options["no_volume"],
        build_args=options["build_arg"],
        dockerfile=options["dockerfile"],
        target=options["target"],
        cpu=options["cpu"],
        memory=options["memory"],
        health="" if options["no_health"] else options["health"],
        image=image,
        git_secret=options["git_secret"],
        internal=options["internal"],
        force=options["force"],
        origin=origin.of(where, image),
    )


def _shown_name(where: str) -> str:
    location = located(where)
    return location.url if location is not None else Path(where).absolute().name


async def _explain(wish: Wish) -> None:
    """Asks no cluster."""
    from pilothouse.cli.apps import repository
    from pilothouse.cli.apps.prepare import NOTHING, prepare

    location = located(wish.where)
    if wish.image or location is None:
        prepared = NOTHING if wish.image else prepare(wish)
    else:
        commit = await repository.commit_of(location, None)
        prepared = await repository.look(None, wish, location, {"git": {"commit": commit}}, None)
    for line in (*prepared.why, *prepared.warnings, *_said_of_variables(wish, prepared, None)):
        output.note(line)
    click.echo(prepared.dockerfile or "(no Dockerfile is used)", nl=not prepared.dockerfile)


async def _deploy(session: Session, wish: Wish, options: dict[str, Any]) -> None:
    from pilothouse.cli.apps import wish as wishes
    from pilothouse.cli.apps.hosts import require_free_hosts
    from pilothouse.cli.apps.lookup import require_namespace
    from pilothouse.cli.apps.prepare import upload
    from pilothouse.cli.apps.stand_in import built_instead
    from pilothouse.cli.apps.volumes.said import require_volumes
    from pilothouse.platform.apps.resource import APPS

    async with connected(session) as client, AsyncExitStack() as stack:
        await require_namespace(client, wish.namespace)
        wish = await built_instead(client, wish, stack)
        before = await client.get_or_none(APPS, wish.name, wish.namespace)
        if not options["name"]:
            origin.confirm(before, wish.origin, yes=options["yes"])
        wish = wishes.with_kept(wish, before)
        prepared, place = await _look(client, wish, before)
        sketch = wishes.app(wish, prepared, before, place)
        await require_free_hosts(client, sketch, before)
        of_volumes = await require_volumes(client, sketch, before, undone="not deployed")
        for line in (*prepared.why, *prepared.warnings, *_said_of_variables(wish, prepared, before), *of_volumes):
            output.note(line)
        wish = wishes.with_generated(wish, prepared, before)
        if prepared.tree is not None:
            place = await upload(client, wish, prepared.tree)
        wanted = wishes.app(wish, prepared, before, place)
        if options["dry_run"]:
            _show(wish, wanted)
            return
        await _apply(client, wish, wanted, before, options)


def _said_of_variables(wish: Wish, prepared: Prepared, before: Object | None) -> list[str]:
    """What a `.env` holds and app.json asks for, and the app is not given."""
    from pilothouse.cli.apps.prepare import left_out

    unsaid = list(left_out(prepared.tree, wish, before)) if prepared.tree is not None else []
    if before is not None:
        return unsaid
    given = {*wish.env, *wish.secrets, *prepared.environment}
    generated = [key for key in prepared.generated if key not in given]
    required = [key for key in prepared.required if key not in given]
    said = [f"app.json: {', '.join(generated)} gets a random value, kept as a secret"] if generated else []
    return unsaid + said + ([f"app.json wants these variables to be set with -e or --secret: {', '.join(required)}"] if required else [])


async def _look(client: "Client", wish: Wish, before: Object | None) -> tuple[Prepared, Object | None]:
    """What the source says, and where a repository is; a folder has no place before it is uploaded, an image has none."""
    from pilothouse.cli.apps import repository
    from pilothouse.cli.apps.prepare import NOTHING, prepare

    port = ((before or {}).get("spec") or {}).get("port")
    if wish.image:
        return NOTHING, None
    if (location := located(wish.where)) is not None:
        place = await repository.place(client, wish, location, before)
        return await repository.look(client, wish, location, place, port), place
    return prepare(wish, port), None


def _show(wish: Wish, wanted: Object) -> None:
    output.document(wanted, "yaml")
    if wish.secrets:
        output.note(
            f"the Secret with {', '.join(wish.secrets)} is not shown and was not written: it is made by `ph deploy` without --dry-run"
        )


async def _apply(client: "Client", wish: Wish, wanted: Object, before: Object | None, options: dict[str, Any]) -> None:
    from pilothouse.cli.apps import own_secret
    from pilothouse.cli.apps.following import followed, written
    from pilothouse.cli.apps.rollout import Rollout
    from pilothouse.cli.apps.volumes.hints import hints

    begun = time.monotonic()
    moved = {*wish.unset, *(key for key in wish.env if key not in wish.secrets)}
    secret = await own_secret.change(client, wish.name, wish.namespace, given=wish.secrets, unset=moved)
    rollout = Rollout(client, secret.marked(wanted), before)
    changed = await written(client, rollout, secret)
    output.note(f"deploying {wish.name}" if changed else f"{wish.name} is as asked for already; nothing has changed")
    if options["detach"]:
        _print_result(wanted, options["how"], changed=changed, seconds=time.monotonic() - begun)
        return
    app = await followed(client, rollout, secret, options["timeout"])
    for line in await hints(client, app):
        output.note(line)
    _print_result(app, options["how"], changed=changed, seconds=time.monotonic() - begun)


def _print_result(app: Object, how: str, *, changed: bool, seconds: float) -> None:
    status = app.get("status") or {}
    if how == "text":
        if status.get("url"):
            click.echo(status["url"])
        return
    metadata = app["metadata"]
    shown = {key: status.get(key) for key in ("revision", "url", "image") if status.get(key)}
    output.document(
        {"name": metadata["name"], "namespace": metadata["namespace"], "changed": changed, **shown, "seconds": round(seconds, 1)}, how
    )
