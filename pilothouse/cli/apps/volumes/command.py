"""`ph volumes`: the volumes of apps, those of apps that are gone included."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from pilothouse.aio.tasks import each
from pilothouse.cli import asking, names, output
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.cli.apps.volumes.listed import Listed
    from pilothouse.client.client import Client

AT_ONCE = 8
POLL_S = 0.2


@click.group(invoke_without_command=True)
@NAMESPACE
@click.option("-A", "--all-namespaces", is_flag=True, help="List the volumes of all namespaces.")
@output.OUTPUT
@click.pass_context
def volumes(context: click.Context, namespace: str, all_namespaces: bool, output: str) -> None:
    """List the volumes of apps, also those that were kept when their app was deleted.

    A volume is made by `ph deploy --volume`.

    \b
    Examples:
      ph volumes
      ph volumes -A -o json
      ph volumes delete shop/data
    """
    if context.invoked_subcommand is None:
        session = context.find_object(Session)
        assert session is not None
        run(_list(session, None if all_namespaces else namespace, output))
    elif any(context.get_parameter_source(name) == ParameterSource.COMMANDLINE for name in ("namespace", "all_namespaces")):
        # The command has a namespace of its own, and would work in that.
        raise click.UsageError(f"name the namespace after the command: `ph volumes {context.invoked_subcommand} ... -n {namespace}`")


@volumes.command()
@click.argument("wanted", metavar="APP/VOLUME...", shell_complete=names.volumes, nargs=-1, required=True)
@NAMESPACE
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout", type=click.FloatRange(1), default=120, show_default=True, metavar="SECONDS", help="How long to wait until they are gone."
)
@pass_session
def delete(session: Session, wanted: tuple[str, ...], namespace: str, yes: bool, timeout: float) -> None:
    """Remove kept volumes with all that is in them. Those that an app mounts are left.

    \b
    Examples:
      ph volumes delete shop/data
      ph volumes delete shop/data blog/uploads --yes
    """
    run(_delete(session, tuple(dict.fromkeys(wanted)), namespace, yes, timeout))


async def _list(session: Session, namespace: str | None, how: str) -> None:
    from pilothouse.cli.apps.lookup import require_namespace
    from pilothouse.cli.apps.volumes.listed import listed
    from pilothouse.cli.apps.volumes.usage import used_bytes

    async with connected(session) as client:
        found = await listed(client, namespace)
        if not found and namespace is not None:
            await require_namespace(client, namespace)
        used = await used_bytes(client, found)
    if how != "table":
        output.document([one.document() | ({"usedBytes": used[key]} if (key := _key(one)) in used else {}) for one in found], how)
    elif not found:
        output.note(f"no volumes yet: `{copyable('deploy PATH --volume data:/data', namespace or 'default')}` gives an app one")
    else:
        _show(found, used, all_namespaces=namespace is None)


def _key(one: "Listed") -> str:
    from pilothouse.model import meta

    return meta.key(one.claim)


def _show(found: "Sequence[Listed]", used: dict[str, int], *, all_namespaces: bool) -> None:
    from pilothouse.cli.apps.volumes.listed import age_s
    from pilothouse.model import meta

    rows: list[list[object]] = []
    for one in found:
        taken = used.get(_key(one))
        name = one.document()["name"]
        row = [name, ", ".join(one.users), one.size, rounded(taken) if taken is not None else None, _coloured(one.state), one.node]
        rows.append([*([meta.namespace(one.claim)] if all_namespaces else []), *row, output.age(age_s(one.claim))])
    headings = ["name", "mounted by", "size", "used", "state", "node", "age"]
    output.table([*(["namespace"] if all_namespaces else []), *headings], rows)


def rounded(size_bytes: int) -> str:
    """In the largest unit of which there is at least one: `1.5Gi`."""
    for unit, least in (("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if size_bytes >= least:
            return f"{size_bytes / least:.1f}{unit}".replace(".0", "")
    return f"{size_bytes}"


def _coloured(state: str) -> str:
    return output.good(state) if state == "Bound" else output.half(state) if state in ("Pending", "Kept", "Deleting") else output.bad(state)


async def _delete(session: Session, wanted: tuple[str, ...], namespace: str, yes: bool, timeout_s: float) -> None:
    from pilothouse.cli.apps.lookup import require_namespace
    from pilothouse.cli.apps.volumes.listed import listed

    async with connected(session) as client:
        await require_namespace(client, namespace)
        found = await listed(client, namespace)
        chosen = [_chosen(name, found, namespace) for name in wanted]
        lost = " and ".join(f"{one.document()['name']} ({one.size})" for one in chosen)
        asking.confirm(f"Remove {lost} with all that is in {'it' if len(chosen) == 1 else 'them'}, for good?", yes=yes)
        await remove(client, [one.claim for one in chosen], timeout_s)


def _chosen(name: str, found: "Sequence[Listed]", namespace: str) -> "Listed":
    """Raises ClickException for one that is not there, or that an app mounts."""
    known = {one.document()["name"]: one for one in found} | {one.document()["claim"]: one for one in found}
    one = known.get(name)
    if one is None:
        there = ", ".join(one.document()["name"] for one in found)
        raise click.ClickException(f"there is no volume {name!r} in namespace {namespace}" + (f"; there are: {there}" if there else ""))
    if one.users:
        volume = one.document()["name"].partition("/")[2]
        out = copyable(f"delete {one.users[0]} --volumes", namespace)
        raise click.ClickException(
            f"{' and '.join(one.users)} mounts volume {one.document()['name']}: take it out with `ph deploy ... --no-volume {volume}` "
            f"first, or remove the app with it: `{out}`"
        )
    return one


async def remove(client: "Client", claims: Sequence[Object], timeout_s: float) -> None:
    """Until they are gone; raises ClickException when that takes longer."""
    from pilothouse.cli.apps.volumes.listed import shown_name
    from pilothouse.model import kinds, meta
    from pilothouse.model.errors import NotFound

    async def gone(claim: Object) -> None:
        try:
            await client.delete(kinds.PERSISTENTVOLUMECLAIMS, meta.name(claim), meta.namespace(claim), uid=meta.uid(claim))
        except NotFound:
            return
        while True:
            current = await client.get_or_none(kinds.PERSISTENTVOLUMECLAIMS, meta.name(claim), meta.namespace(claim))
            if current is None or meta.uid(current) != meta.uid(claim):
                return
            await asyncio.sleep(POLL_S)

    named = ", ".join(map(shown_name, claims))
    try:
        async with asyncio.timeout(timeout_s):
            await each([gone(claim) for claim in claims], limit=AT_ONCE)
    except TimeoutError as error:
        raise click.ClickException(
            f"{named} {'is' if len(claims) == 1 else 'are'} being removed and not gone after {timeout_s:g} s: a pod may still use it, "
            f"look again with `{copyable('volumes', meta.namespace(claims[0]))}`"
        ) from error
    for claim in claims:
        click.echo(f"volume {shown_name(claim)} is removed")
