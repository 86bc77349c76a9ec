"""`ph network set`: another way between nodes, on a running cluster."""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.durations import Duration
from pilothouse.cli.network.consequences import consequences
from pilothouse.cli.network.show import as_data, degraded, manner, read, sentence
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.cluster_network import (
    BACKENDS,
    CLUSTERNETWORKS,
    NAME,
    NO_ENCRYPTION,
    VXLAN,
    WIREGUARD,
    cannot,
    encrypts,
    why_not,
)

if TYPE_CHECKING:
    from pilothouse.client.client import Client
    from pilothouse.model.json import Object

LOOK_S = 0.3


class Named(click.ParamType[str]):
    """One of some words, whatever its case."""

    name = "word"

    def __init__(self, *words: str) -> None:
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = next((word for word in self.words if word.lower() == str(value).lower()), None)
        if found is None:
            self.fail(f"{value!r} is none of {', '.join(word.lower() for word in self.words)}", param, ctx)
        return found

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(word.lower()) for word in self.words if word.lower().startswith(incomplete.lower())]


@click.command(name="set")
@click.option("--backend", type=Named(*BACKENDS), metavar="routes|vxlan|bgp|host", help="How packets reach pods of other nodes.")
@click.option("--vni", type=click.IntRange(1, 16777215), help="Number of the tunnels' network, for vxlan.")
@click.option("--vxlan-port", type=click.IntRange(1, 65535), help="UDP port at which tunnels end, for vxlan.")
@click.option("--direct-routing/--no-direct-routing", default=None, help="Whether nodes on a shared link need no tunnel, for vxlan.")
@click.option("--mtu", type=click.IntRange(0, 65535), help="The largest packet of pods in bytes; 0: what the nodes' links carry.")
@click.option("--encryption", type=Named(NO_ENCRYPTION, WIREGUARD), metavar="none|wireguard", help="What encrypts packets between nodes.")
@click.option("--dry-run", is_flag=True, help="Say what would change and whether the nodes can do it; change nothing.")
@click.option("--wait/--no-wait", "waits", default=True, show_default=True, help="Return when every node follows.")
@click.option("--timeout", type=Duration(), default="2m", show_default=True, metavar="DURATION", help="How long to wait for the nodes.")
@output.OUTPUT
@pass_session
def set_(session: Session, /, output: str, *, dry_run: bool, waits: bool, timeout: float, **chosen: Any) -> None:
    """Change how nodes reach each other's pods. Pods are not touched, and open connections go on.

    What a node's machine cannot do is refused; what the change ends (sessions with routers, say) is named, also by --dry-run.

    \b
    Examples:
      ph network set --backend vxlan
      ph network set --backend vxlan --direct-routing --dry-run
      ph network set --backend routes --mtu 1400
    """
    patch = _patch(chosen)
    if not patch:
        raise click.UsageError("nothing to set: name what is to change, with --backend for example")
    run(_set(session, patch, output, dry_run=dry_run, wait_s=timeout if waits else 0.0))


def _patch(chosen: dict[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in chosen.items() if value is not None}
    vxlan = {"vni": given.pop("vni", None), "port": given.pop("vxlan_port", None), "directRouting": given.pop("direct_routing", None)}
    vxlan = {key: value for key, value in vxlan.items() if value is not None}
    return given | ({"vxlan": vxlan} if vxlan else {})


async def _set(session: Session, patch: dict[str, Any], how: str, *, dry_run: bool, wait_s: float) -> None:
    async with connected(session) as client:
        before, nodes = await read(client)
        wanted = await client.patch(CLUSTERNETWORKS, NAME, {"spec": patch}, dry_run=True)
        _check(wanted["spec"], nodes)
        changes = list(_changes(before["spec"], wanted["spec"]))
        for each in await consequences(client, before["spec"], wanted["spec"]):
            output.note(f"warning: {each}")
        if dry_run:
            _print(wanted, changes, nodes, how, "would be set")
            return
        network = await client.patch(CLUSTERNETWORKS, NAME, {"spec": patch})
        if wait_s:
            try:
                nodes = await _wait(client, network, wait_s)
            except asyncio.CancelledError:
                output.note(f"it is set, and the nodes go on: `{copyable('network show')}` says how far they are; {_back(before['spec'])}")
                raise
    _print(network, changes, nodes, how, "set")
    for node in nodes:
        if why := degraded(node):
            output.note(f"warning: node {meta.name(node)}: {why}")
    if wait_s and any(why_not(network, node) for node in nodes):
        waiting = [f"{meta.name(node)}: {why}" for node in nodes if (why := why_not(network, node))]
        more = f", and {len(waiting) - 5} more" if len(waiting) > 5 else ""
        raise click.ClickException(
            f"it is set, and after {wait_s:g} s not every node follows ({'; '.join(waiting[:5])}{more}); nodes that do not are served "
            f"as before: `{copyable('network show')}` says how far they are; {_back(before['spec'])}"
        )


def _back(spec: "Object") -> str:
    vxlan = f" --vni {spec['vxlan']['vni']} --vxlan-port {spec['vxlan']['port']}" if spec["backend"] == VXLAN else ""
    return f"`{copyable('network set --backend ' + spec['backend'].lower() + vxlan)}` leads back"


def _check(spec: "Object", nodes: "list[Object]") -> None:
    """Raises ClickException for what a node's machine cannot do."""
    refusals = [
        f"node {meta.name(node)} cannot do {asked}: {cannot(node)[asked]}"
        for node in nodes
        for asked in (spec["backend"], *encrypts(spec))
        if asked in cannot(node)
    ]
    if refusals:
        more = f", and {len(refusals) - 3} more" if len(refusals) > 3 else ""
        raise click.ClickException("; ".join(refusals[:3]) + more)


def _changes(before: "Object", after: "Object", path: str = "") -> Iterator[str]:
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changes(old, new, f"{path}{key}.")
        elif old != new:
            yield f"{path}{key}: {old} -> {new}"


def _print(network: "Object", changes: list[str], nodes: "list[Object]", how: str, word: str) -> None:
    if how != "table":
        output.document({"spec": network["spec"], "changes": changes, "nodes": [as_data(network, node) for node in nodes]}, how)
        return
    for change in changes or ["nothing changes"]:
        click.echo(f"{word}: {change}" if changes else change)
    click.echo(sentence(network, nodes) if word == "set" else f"Nodes would reach each other's pods by {manner(network['spec'])}.")


async def _wait(client: "Client", network: "Object", wait_s: float) -> "list[Object]":
    """The nodes, when all follow or the time is up. What each waits for is said when it becomes something else."""
    end = time.monotonic() + wait_s
    said: dict[str, str] = {}
    while True:
        _, nodes = await read(client)
        waiting = {meta.name(node): why_not(network, node) for node in nodes}
        for name, why in waiting.items():
            if why != said.get(name):
                output.note(f"{name}: {why}" if why else f"{output.tick()} {name} follows")
        said = waiting
        if not any(waiting.values()) or time.monotonic() > end:
            return nodes
        await asyncio.sleep(LOOK_S)
