"""Has the nodes look for the packet, and the sender's send it: through the API server, by the caller's right to `nodes/proxy`.

Every node that the packet may come to is ready before it is sent; one that cannot be asked is named, and the packet sent all the same. Who
breaks off tells the nodes so; a node forgets the packet by itself within seconds, whatever becomes of this process.
"""

import asyncio
import ipaddress
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

import click

from pilothouse.aio.tasks import each as all_of
from pilothouse.cli.trace.target import Target, addresses
from pilothouse.client.client import Client
from pilothouse.model.errors import ApiError, Conflict, Forbidden, NotFound
from pilothouse.model.json import Object

PORTS = (32768, 60999)
"""Of which the packet's own port is chosen at random, as a kernel does."""
MOST_NODES = 20
MOST_SOURCES = 32
AT_ONCE = 8
TRIES = 5
"""Ports that are tried when the pod that sends uses the first ones itself."""
FAREWELL_S = 2.0


@dataclass(slots=True)
class Told:
    """reports: by node. unasked: nodes that could not be asked, and why."""

    reports: dict[str, Object] = field(default_factory=dict)
    unasked: dict[str, str] = field(default_factory=dict)


async def reports(client: Client, sender: Object, target: Target, nodes: Mapping[str, Object], wait_s: float) -> Told:
    """nodes: the Node objects by name. Raises click.ClickException: the sender's node has to be there."""
    for _ in range(TRIES):
        with suppress(PortTaken):
            return await _of_one_packet(client, sender, target, nodes, wait_s, random.randint(*PORTS))
    raise click.ClickException(
        f"{TRIES} ports that were chosen at random are all in use in the pod that sends: it has very many connections"
    )


async def _of_one_packet(client: Client, sender: Object, target: Target, nodes: Mapping[str, Object], wait_s: float, port: int) -> Told:
    """Raises PortTaken, click.ClickException."""
    home = sender["spec"]["nodeName"]
    wanted = {"protocol": target.protocol, "sourcePort": port, "sources": _sources(sender, nodes.get(home)), "seconds": wait_s}
    away = [node for node in target.nodes if node != home and node in nodes]
    if len(away) > MOST_NODES:
        raise click.ClickException(
            f"{target.shown} has endpoints on {len(away)} nodes, and {MOST_NODES} are the most that are looked at: trace to one pod"
        )
    metadata = sender["metadata"]
    sending = {
        "namespace": metadata["namespace"],
        "pod": metadata["name"],
        "uid": metadata["uid"],
        "destination": target.address,
        "port": target.port,
    }
    told, begun, refusals, taken = Told(), dict[str, str](), list[click.ClickException](), list[str]()

    async def look(node: str) -> None:
        # Those that look for it wait longer than the sender, which begins last.
        try:
            begun[node] = await _begin(client, node, wanted | {"seconds": wait_s + 3})
        except Unasked as error:
            told.unasked[node] = str(error)
        except click.ClickException as error:
            refusals.append(error)

    async def hear(node: str) -> None:
        try:
            told.reports[node] = await _end(client, node, begun[node])
        except PortTaken:
            taken.append(node)
        except Unasked as error:
            told.unasked[node] = str(error)

    try:
        await all_of([look(node) for node in away], limit=AT_ONCE)
        if refusals:
            raise refusals[0]
        try:
            begun[home] = await _begin(client, home, wanted | {"send": sending})
        except Unasked as error:
            raise click.ClickException(f"node {home}: {error}") from error
        await all_of([hear(node) for node in begun], limit=AT_ONCE)
        if taken:
            raise PortTaken
        if home in told.unasked:
            raise click.ClickException(f"node {home}: {told.unasked[home]}")
    finally:
        await _farewell(client, {node: identifier for node, identifier in begun.items() if node not in told.reports})
    return told


async def _farewell(client: Client, begun: Mapping[str, str]) -> None:
    """Nobody waits for these any more."""

    async def tell(node: str, identifier: str) -> None:
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await client.call("POST", f"{_path(node)}/{identifier}/end")

    await all_of([tell(node, identifier) for node, identifier in begun.items()], limit=AT_ONCE)


class PortTaken(Exception):
    """The pod that sends uses the packet's port itself."""


class Unasked(Exception):
    """A node does not answer, or not as it should; the text says why."""


def _sources(sender: Object, node: Object | None) -> list[str]:
    """The sender's addresses, and those of its node behind which they may be hidden."""
    found = addresses(sender)
    if node is not None:
        found += [each["address"] for each in node.get("status", {}).get("addresses") or () if _is_address(each["address"])]
        for cidr in node["spec"].get("podCIDRs") or ():
            network = ipaddress.ip_network(cidr)
            found += [str(network[0]), str(network[1])]
    return list(dict.fromkeys(found))[:MOST_SOURCES]


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return False


async def _begin(client: Client, node: str, body: Object) -> str:
    """Raises Unasked, click.ClickException for somebody without the right."""
    try:
        answer = await client.call("POST", _path(node), body=body)
    except Forbidden as error:
        raise click.ClickException(
            f"you may not have node {node} trace packets: that takes `create` on nodes/proxy ({error.message})"
        ) from error
    except NotFound as error:
        raise Unasked(f"it cannot trace packets: {error.message}") from error
    except ApiError as error:
        raise Unasked(error.message) from error
    return str(answer["id"])


async def _end(client: Client, node: str, identifier: str) -> Object:
    """Raises Unasked, PortTaken."""
    try:
        found: Object = await client.call("POST", f"{_path(node)}/{identifier}")
    except Conflict as error:
        raise PortTaken from error
    except ApiError as error:
        raise Unasked(error.message) from error
    return found


def _path(node: str) -> str:
    return f"/api/v1/nodes/{quote(node, safe='')}/proxy/trace"
