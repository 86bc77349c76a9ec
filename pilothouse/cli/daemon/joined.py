"""What a node does that has joined a cluster: it gets its certificates, and its part of the pod network."""

import asyncio
import os
from urllib.parse import urlsplit

import structlog

from pilothouse.cli.daemon import wiring
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.client.certificates.files import KubeconfigFile, PairFiles
from pilothouse.client.certificates.keeper import CertificateKeeper, Kept
from pilothouse.client.certificates.request import Subject
from pilothouse.client.client import Client
from pilothouse.engine.controllers.ipam.ranges import ranges_of
from pilothouse.engine.identities import KUBELET, NODE, PROXY, Identities
from pilothouse.model.certificates import PROXY_GROUPS, PROXY_USER
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.networks import shown
from pilothouse.network.pod import kernel

log = structlog.get_logger("daemon")
CREDENTIALS, RANGE = "node credentials", "pod addresses"
API = "API server"
PATIENCE_S, LOOK_S = 15.0, 0.2
HTTPS_PORT = 443


class ApiAway(Exception):
    """The cluster's API server cannot be reached."""


class NoRange(Exception):
    """The node has not been given addresses for its pods."""


class RangeChanged(Exception):
    """The node began by the addresses that it had, and those of its pods are others now: its process has to begin anew."""


def credentials(home: Home, settings: Settings) -> CertificateKeeper:
    """Of the agent, of service proxy and DNS, and of the kubelet API."""
    identities, name = Identities(home.pki), settings.node_name
    node, proxy = identities.kubeconfig(NODE), identities.kubeconfig(PROXY)
    return CertificateKeeper(
        [
            Kept(KubeconfigFile(node, home.cluster_name), Subject.of_node(name), (node, identities.bootstrap)),
            Kept(KubeconfigFile(proxy, home.cluster_name), Subject(PROXY_USER, PROXY_GROUPS), (node,)),
            Kept(PairFiles(home.pki, KUBELET), Subject.of_node_server(name, settings.address), (node,)),
        ]
    )


async def reach(settings: Settings, *, patience_s: float = 5.0) -> None:
    """Returns when the API server takes connections. Raises ApiAway when it has taken none for that long: to be tried again."""
    server, why = urlsplit(settings.server), "no connection in time"
    try:
        async with asyncio.timeout(patience_s):
            while True:
                try:
                    _, writer = await asyncio.open_connection(server.hostname, server.port or HTTPS_PORT)
                except OSError as error:
                    # asyncio puts the address before what the system says: `[Errno 111] Connect call failed ('10.0.0.1', 6443)`.
                    why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
                    await asyncio.sleep(LOOK_S)
                else:
                    writer.close()
                    return
    except TimeoutError:
        way_out = "`ph status` on the first machine says whether it runs"
        raise ApiAway(f"the cluster's API server at {settings.server} cannot be reached ({why}): {way_out}") from None


def has_joined(home: Home, settings: Settings) -> bool:
    """Whether the node was in the cluster before: what it needs for static pods is here then."""
    return bool(settings.node_cidr) and Identities(home.pki).kubeconfig(NODE).exists()


async def known_range(client: Client, home: Home, settings: Settings) -> Settings:
    """With the range that the Node says; with none where there is no Node, or one that has just been made.

    A bridge with other addresses is taken away: the pods that it was made for are gone with the Node that had them, and their addresses
    may be another node's.
    """
    node = await client.get_or_none(NODES, settings.node_name)
    own, before = "" if node is None else _range(node), settings.node_cidr
    if before and own != before:
        log.warning("this node's pods get other addresses", before=before, now=own)
        await asyncio.to_thread(kernel.teardown, wiring.pod_network_config(home, settings))
    return await asyncio.to_thread(_noted, home, settings, own)


async def granted_range(client: Client, home: Home, settings: Settings) -> Settings:
    """With the range that the Node says, once it does. Raises NoRange."""
    name = settings.node_name
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                node = await client.get_or_none(NODES, name)
                if node is not None and (found := _range(node)):
                    return await asyncio.to_thread(_noted, home, settings, found)
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise NoRange(f"no addresses have been given to the pods of node {name}: `kubectl describe node {name}` says why") from None


async def is_granted(client: Client, settings: Settings) -> bool:
    """Whether the Node says the range that this node goes by; one that says none is given some time."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                node = await client.get_or_none(NODES, settings.node_name)
                if node is not None and (found := _range(node)):
                    return found == settings.node_cidr
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        return False


def _range(node: Object) -> str:
    """Of each IP family, with a comma."""
    return shown(ranges_of(node))


def _noted(home: Home, settings: Settings, node_cidr: str) -> Settings:
    if settings.node_cidr == node_cidr:
        return settings
    changed = settings.changed(node_cidr=node_cidr)
    changed.save(home)
    return changed
