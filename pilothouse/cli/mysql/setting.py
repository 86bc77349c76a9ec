"""`ph mysql set`: any field of an instance that is there: access, backups, protection, resources, members, settings, version."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import available, change, completing, options, standing, upgrade, values
from pilothouse.cli.mysql.params import merged, refuse_unset
from pilothouse.cli.mysql.resize import refuse_shrinking
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern import clients

_LISTS = (("clients", "disallow"), ("metrics", "disallow_metrics"))


@click.command(name="set")
@values.INSTANCE
@options.changeable
@click.option("--no-param", multiple=True, metavar="NAME", shell_complete=completing.parameters, help="Take a setting away.")
@click.option("--disallow", multiple=True, callback=values.clients, metavar=options.WHO, help="Who may connect no more, as in --allow.")
@click.option("--disallow-metrics", multiple=True, callback=values.clients, metavar=options.WHO, help="Who may read metrics no more.")
@click.option("--version", type=values.VERSION, help="Of the server, such as 10.11.19, as `ph mysql upgrade` does it.")
@values.IMAGE
@click.option("--flavour", hidden=True)
@click.option("--storage-class", hidden=True)
@click.option("--from", "source", hidden=True)
@change.operation(900)
@output.OUTPUT
@pass_session
def set_(session: Session, /, instance: str, namespace: str, dry_run: bool, wait: bool, timeout: float, **given: Any) -> None:
    """Change an instance that is there: what `create` takes, by the same options, several of them at once.

    What is not named stays as it is. --allow and --param add to what there is; --disallow and --no-param take away.

    \b
    Examples:
      ph mysql set orders --backup-schedule '30 3 * * *' --backup-keep 14 --archive
      ph mysql set orders --backup-store offsite --dry-run
      ph mysql set orders --allow tools/app=reports --disallow 10.1.0.0/16
      ph mysql set orders --no-protection --no-final-backup
    """
    how = change.How.of(dry_run, wait, timeout, given.pop("output"))
    refuse_constant(instance, namespace, given)
    if not any(value not in (None, (), [], {}) for value in given.values()):
        raise click.UsageError("say what is to change, such as --backup-keep 14: `ph mysql set --help` lists all there is")
    if given["version"] and given["image"]:
        raise click.UsageError("--version and --image exclude each other: an image has a version of its own")
    if both := sorted({values.parameter(each) for each in given["no_param"]} & given["parameters"].keys()):
        raise click.UsageError(f"{both[0]} is given with --param and with --no-param: leave one out")
    run(_set(session, instance, namespace, given, how))


def refuse_constant(name: str, namespace: str, given: dict[str, Any]) -> None:
    """Raises UsageError for what is decided when an instance is made, with the way to another one."""
    way = f"mysql create {name}-new"
    if flavour := given["flavour"]:
        new = copyable(f"{way} --flavour {flavour}", namespace)
        raise click.UsageError(f"the flavour never changes: `{new}` makes another instance, into which a logical backup is loaded")
    if storage_class := given["storage_class"]:
        new = copyable(f"{way} --storage-class {storage_class} --from {name}", namespace)
        raise click.UsageError(f"volumes stay in their class: `{new}` makes another instance of its data")
    if source := given["source"]:
        new = copyable(f"{way} --from {source}", namespace)
        raise click.UsageError(f"{name} has data of its own: `{new}` makes another instance of a backup")


async def _set(session: Session, name: str, namespace: str, given: dict[str, Any], how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        spec = changed(instance, given)
        refuse_release(instance, spec)
        if size := spec.get("size"):
            refuse_shrinking(instance, size)
        if store := (spec.get("backup") or {}).get("store"):
            await available.require_store(client, store, namespace)
        noted = upgrade.noted(instance, spec) if "version" in spec else {}
        lacking = standing.unarchived if given["archive"] else standing.lacking
        await change.carry_out(client, instance, spec, how, partial(said, spec=spec), lacking, annotations=noted)


def refuse_release(instance: Object, spec: Object) -> None:
    """Raises ClickException where taking the protection away would carry out a deletion: `protect` asks before it does."""
    if meta.is_deleting(instance) and spec.get("deletionProtection") is False:
        way = copyable(f"mysql protect {meta.name(instance)} --off", meta.namespace(instance))
        raise click.ClickException(f"{meta.name(instance)} would be deleted at once, as was asked for before: `{way}` asks, and does it")


def changed(instance: Object, given: dict[str, Any]) -> Object:
    """A merge patch of the spec. Raises ClickException for what is taken away and is not there."""
    spec, has = options.spec(given), instance["spec"]
    if unset := [values.parameter(each) for each in given["no_param"]]:
        refuse_unset(instance, unset)
        spec["parameters"] = spec.get("parameters", {}) | dict.fromkeys(unset)
    if "parameters" in spec:
        spec["parameters"] = merged(instance, spec["parameters"])
    for key, option in _LISTS:
        added, gone = (spec.get("access") or {}).get(key) or [], given[option]
        if added or gone:
            now = (has.get("access") or {}).get(key) or []
            spec["access"] = spec.get("access", {}) | {key: _clients(meta.name(instance), now, added, gone)}
    server = given["version"] or given["image"]
    return spec | (upgrade.target(server) if server else {})


def _clients(name: str, now: Sequence[Object], added: Sequence[Object], gone: Sequence[Object]) -> list[Object]:
    plain = [{key: value for key, value in each.items() if value} for each in now]
    for each in gone:
        if each not in plain:
            known = f"it has {', '.join(map(clients.text, plain))}" if plain else "there are none"
            raise click.ClickException(f"{clients.text(each)} is no client of {name}: {known}")
    return [*(each for each in plain if each not in gone), *(each for each in added if each not in plain)]


def said(instance: Object, spec: Object) -> str:
    """What it has now of what was asked for, by the fields' names."""
    return f"{meta.name(instance)} has {', '.join(_fields('', spec, instance['spec']))}{_archive(instance, spec)}"


def _fields(path: str, asked: Object, has: Object) -> list[str]:
    found = []
    for key, value in asked.items():
        now = has.get(key)
        if isinstance(value, dict):
            found += _fields(f"{path}{key}.", value, now or {})
        else:
            found.append(f"{path}{key} {_word(now)}")
    return found


def _word(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(clients.text, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value or "(none)")


def _archive(instance: Object, spec: Object) -> str:
    """What stands in the way of an archive that was asked for."""
    archiving = meta.condition(instance, "Archiving") or {}
    is_asked = (spec.get("backup") or {}).get("archive")
    return f"; nothing is archived yet: {archiving['message']}" if is_asked and archiving.get("status") == "False" else ""
