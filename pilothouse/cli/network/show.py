"""`ph network show`: what is set, and how far each node has come."""

from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.model import meta
from pilothouse.model.cluster_network import CLUSTERNETWORKS, NAME, NO_ENCRYPTION, VXLAN, cannot, following, why_not
from pilothouse.model.errors import NotFound
from pilothouse.model.kinds import NODES
from pilothouse.model.node_objects import is_simulated

DEGRADED = "PodNetworkDegraded"

if TYPE_CHECKING:
    from pilothouse.client.client import Client
    from pilothouse.model.json import Object


@click.command()
@output.OUTPUT
@pass_session
def show(session: Session, output: str) -> None:
    """Show what is set, and which nodes follow it.

    \b
    Examples:
      ph network show
      ph network show -o json
    """
    run(_show(session, output))


async def _show(session: Session, how: str) -> None:
    async with connected(session) as client:
        network, nodes = await read(client)
    if how != "table":
        output.document({"spec": network["spec"], "nodes": [as_data(network, node) for node in nodes]}, how)
        return
    click.echo(sentence(network, nodes))
    found = [as_data(network, node) for node in nodes]
    rows = [[data["node"], data["address"], data["backend"] or "-", _state(data["why"], data["degraded"])] for data in found]
    output.table(["node", "address", "reaches others by", "state"], rows)


def _state(why: str, degraded: str) -> str:
    if degraded:
        return output.bad("; ".join(filter(None, (why, degraded))))
    return output.half(why) if why else output.good("follows")


async def read(client: "Client") -> "tuple[Object, list[Object]]":
    """The network and the nodes, those without simulated ones. Raises ClickException."""
    try:
        network = await client.get(CLUSTERNETWORKS, NAME)
    except NotFound as error:
        raise click.ClickException("this cluster has no ClusterNetwork: its network is not Pilothouse's") from error
    nodes = [node for node in (await client.list_all(NODES)).items if not is_simulated(node)]
    return network, sorted(nodes, key=meta.name)


def sentence(network: "Object", nodes: "list[Object]") -> str:
    """What is so, or is to be where not every node follows."""
    waiting = sum(1 for node in nodes if why_not(network, node))
    if not waiting:
        return f"Nodes reach each other's pods by {manner(network['spec'])}."
    return f"Nodes are to reach each other's pods by {manner(network['spec'])}; {len(nodes) - waiting} of {len(nodes)} do."


def manner(spec: "Object") -> str:
    words = [str(spec["backend"])]
    if spec["backend"] == VXLAN:
        vxlan = spec["vxlan"]
        direct = ", without tunnels on a shared link" if vxlan["directRouting"] else ""
        words.append(f"VNI {vxlan['vni']} at UDP port {vxlan['port']}{direct}")
    if spec["mtu"]:
        words.append(f"packets of {spec['mtu']} bytes at most, as far as the links carry them")
    if spec["encryption"] != NO_ENCRYPTION:
        words.append(f"encrypted by {spec['encryption']}")
    return "; ".join(words)


def degraded(node: "Object") -> str:
    """What a node has found wrong on the way to others when it tried; "" for nothing."""
    found = meta.condition(node, DEGRADED) or {}
    return str(found.get("message") or "it does not reach all others") if found.get("status") == "True" else ""


def as_data(network: "Object", node: "Object") -> dict[str, Any]:
    addresses = [each["address"] for each in (node.get("status") or {}).get("addresses") or () if each["type"] == "InternalIP"]
    return {
        "node": meta.name(node),
        "address": ", ".join(addresses),
        "backend": following(node).backend,
        "podCIDRs": (node.get("spec") or {}).get("podCIDRs") or [],
        "follows": not why_not(network, node),
        "why": why_not(network, node),
        "degraded": degraded(node),
        "cannot": cannot(node),
    }
