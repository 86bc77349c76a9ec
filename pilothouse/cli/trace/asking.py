"""Has the nodes look for the packet, and the sender's send it: through the API server, by the caller's right to `nodes/proxy`.

Every node that the packet may come to is ready before it is sent. A node forgets the packet by itself within seconds, whatever becomes of
this process.
"""

import ipaddress
import random
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

import click

from pilothouse.aio.tasks import each as all_of
from pilothouse.cli.trace.target import Target, addresses
from pilothouse.client.client import Client
from pilothouse.model.errors import ApiError, Conflict, Forbidden, NotFound
from pilothouse.model.json import Object

PORTS = (32768, 60999)
"""Of which the packet's own port is chosen at random, as a kernel does."""
TRIES = 5
MOST_NODES = 20
MOST_SOURCES = 32
AT_ONCE = 8


async def reports(client: Client, sender: Object, target: Target, nodes: Mapping[str, Object], wait_s: float) -> dict[str, Object]:
    """By node. nodes: the Node objects by name. Raises click.ClickException."""
    for _ in range(TRIES):
        found = await _of_one_packet(client, sender, target, nodes, wait_s, random.randint(*PORTS))
        if found is not None:
            return found
    raise click.ClickException(
        f"{TRIES} ports that were chosen at random are all in use in the pod that sends: it has very many connections"
    )


async def _of_one_packet(
    client: Client, sender: Object, target: Target, nodes: Mapping[str, Object], wait_s: float, port: int
) -> dict[str, Object] | None:
    """None when the pod uses the port itself."""
    home = sender["spec"]["nodeName"]
    wanted = {"protocol": target.protocol, "sourcePort": port, "sources": _sources(sender, nodes.get(home)), "seconds": wait_s}
    away = [node for node in target.nodes if node != home and node in nodes]
    if len(away) > MOST_NODES:
        raise click.ClickException(
            f"{target.shown} has endpoints on {len(away)} nodes, and {MOST_NODES} are the most that are looked at: trace to one pod"
        )
    # Those that look for it wait longer than the sender, which begins last.
    begun = dict(
        zip(away, await all_of([_begin(client, node, wanted | {"seconds": wait_s + 3}) for node in away], limit=AT_ONCE), strict=True)
    )
    metadata = sender["metadata"]
    sending = {
        "namespace": metadata["namespace"],
        "pod": metadata["name"],
        "uid": metadata["uid"],
        "destination": target.address,
        "port": target.port,
    }
    begun[home] = await _begin(client, home, wanted | {"send": sending})
    found = await all_of([_end(client, node, identifier) for node, identifier in begun.items()], limit=AT_ONCE)
    reported = {node: report for node, report in zip(begun, found, strict=True) if report is not None}
    return reported if len(reported) == len(begun) else None


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
    try:
        answer = await client.call("POST", _path(node), body=body)
    except Forbidden as error:
        raise click.ClickException(
            f"you may not have node {node} trace packets: that takes `create` on nodes/proxy ({error.message})"
        ) from error
    except NotFound as error:
        raise click.ClickException(f"node {node} cannot trace packets: {error.message}") from error
    except ApiError as error:
        raise click.ClickException(f"node {node}: {error.message}") from error
    return str(answer["id"])


async def _end(client: Client, node: str, identifier: str) -> Object | None:
    """None when the sender's pod uses the packet's port itself."""
    try:
        found: Object = await client.call("POST", f"{_path(node)}/{identifier}")
    except Conflict:
        return None
    except ApiError as error:
        raise click.ClickException(f"node {node}: {error.message}") from error
    return found


def _path(node: str) -> str:
    return f"/api/v1/nodes/{quote(node, safe='')}/proxy/trace"
