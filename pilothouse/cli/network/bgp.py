"""`ph network bgp` and `ph network routes`: who speaks with whom, and who is reached by which address."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.network.show import read
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.model import bgp as sessions
from pilothouse.model import meta
from pilothouse.model.cluster_network import BGP, following

if TYPE_CHECKING:
    from pilothouse.model.json import Object

UP = "Established"
MOST_NAMED = 5


@click.command()
@click.argument("node", required=False)
@output.OUTPUT
@pass_session
def bgp(session: Session, output: str, node: str | None) -> None:
    """Show the BGP sessions of each node, those that are down first.

    \b
    Examples:
      ph network bgp
      ph network bgp node-1
      ph network bgp -o json
    """
    run(_bgp(session, output, node))


async def _bgp(session: Session, how: str, only: str | None) -> None:
    async with connected(session) as client:
        network, nodes = await read(client)
    if only is not None and only not in {meta.name(node) for node in nodes}:
        raise click.ClickException(f"there is no node {only}: `{copyable('network show')}` lists them")
    said = {meta.name(node): sessions.status(node) for node in nodes if only in (None, meta.name(node))}
    if how != "table":
        output.document([{"node": name, **found} for name, found in said.items()], how)
        return
    if network["spec"]["backend"] != BGP and not any(said.values()):
        click.echo(
            f"Nodes do not speak BGP: they reach each other's pods by {network['spec']['backend']}. "
            f"`{copyable('network set --backend bgp')}` changes that."
        )
        return
    up, total = (sum(found.get(key, 0) for found in said.values()) for key in ("up", "sessions"))
    click.echo(f"{up} of {total} sessions are up.")
    for sentence in _remarks(said):
        click.echo(sentence)
    rows = [row for name, found in said.items() for row in _rows(name, found)]
    output.table(["node", "with", "address", "state", "since", "routes in", "out"], rows)


def _remarks(said: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What nodes say beside their sessions: once, with those who say it."""
    by_text: dict[str, list[str]] = {}
    for name, found in said.items():
        for text in found.get("remarks") or ():
            by_text.setdefault(text, []).append(name)
    for text, names in by_text.items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield f"{', '.join(names[:MOST_NAMED])}{more}: {output.half(text)}."


def _rows(node: str, found: dict[str, Any]) -> Iterator[list[str]]:
    if not found:
        yield [node, "", "", output.half("says nothing yet"), "", "", ""]
    for each in found.get("named") or ():
        state, why = str(each.get("state", "")), str(each.get("error", ""))
        shown = output.good("up") if state == UP else output.half(f"{state.lower()}: {why}" if why else state.lower())
        kind = f"{each.get('kind')} {each.get('peer')}"
        yield [node, kind, str(each.get("address", "")), shown, _since(each), str(each.get("imported", 0)), str(each.get("exported", 0))]
    if (more := found.get("sessions", 0) - len(found.get("named") or ())) > 0:
        yield [node, f"and {more} more", "", "", "", "", ""]


def _since(session: dict[str, Any]) -> str:
    since = session.get("since")
    return output.age(max(time.time() - since, 0.0)) if isinstance(since, int) and since > 0 else ""


@click.command()
@output.OUTPUT
@pass_session
def routes(session: Session, output: str) -> None:
    """Show by which node's address each range of pods is reached, and which nodes do not reach it yet.

    \b
    Examples:
      ph network routes
      ph network routes -o json
    """
    run(_routes(session, output))


async def _routes(session: Session, how: str) -> None:
    async with connected(session) as client:
        network, nodes = await read(client)
    found = list(_ranges(nodes))
    if how != "table":
        output.document({"backend": network["spec"]["backend"], "routes": found}, how)
        return
    rows = [[each["network"], each["node"], each["by"], _reached(each["unreachedFrom"])] for each in found]
    output.table(["range", "node", "by", "state"], rows)


def _ranges(nodes: "list[Object]") -> Iterator[dict[str, Any]]:
    for node in nodes:
        addresses = [each["address"] for each in (node.get("status") or {}).get("addresses") or () if each["type"] == "InternalIP"]
        for cidr in (node.get("spec") or {}).get("podCIDRs") or ():
            by = next((each for each in addresses if (":" in each) == (":" in cidr)), "")
            waiting = [meta.name(other) for other in nodes if following(other).waits_for(meta.name(node))]
            yield {"network": cidr, "node": meta.name(node), "by": by, "unreachedFrom": waiting}


def _reached(waiting: list[str]) -> str:
    return output.half(f"not reached from {', '.join(waiting[:5])}") if waiting else output.good("reached")
