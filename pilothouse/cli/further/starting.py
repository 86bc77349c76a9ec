"""Makes the further nodes that `ph up --nodes` asks for: each joins as a node of another machine does, with a token of its own."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.cluster import service
from pilothouse.cli.cluster.discovery import Cluster
from pilothouse.cli.cluster.joining import write
from pilothouse.cli.cluster.token import chance
from pilothouse.cli.cluster.waiting import NotUp, wait_ready
from pilothouse.cli.daemon.roles import FURTHER
from pilothouse.cli.daemon.state import State
from pilothouse.cli.further import wanted
from pilothouse.cli.session import Session, connected, copyable, run
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.engine.identities import NODE, Identities
from pilothouse.model import bootstrap_tokens
from pilothouse.model.bootstrap_tokens import NAMESPACE, NODE_GROUP, BootstrapToken
from pilothouse.model.errors import NotFound
from pilothouse.model.kinds import NODES, SECRETS
from pilothouse.model.networks import with_port

if TYPE_CHECKING:
    from pilothouse.client.client import Client

TOKEN_S = 3600.0


def start(session: Session, settings: Settings, count: int) -> None:
    """Those that there are, and new ones up to `count` nodes in all; returns when they are ready.

    Raises NotUp, which names each that is not; the others have been started.

    settings: of the instance, whose control plane is ready.
    """
    problems: list[str] = []
    homes = [home for home in wanted.homes(session.home, count) if _is_whole(home, settings, problems)]
    new = [home for home in homes if not Identities(home.pki).kubeconfig(NODE).exists()]
    tokens = run(_prepare(session, settings, new)) if new else []
    waited_for = [home for home in homes if not is_ready(home)]
    for home in waited_for:
        service.start(home)
    for home in waited_for:
        output.note(f"node {wanted.name(settings, home)}:")
        try:
            wait_ready(home)
        except NotUp as error:
            problems.append(f"node {wanted.name(settings, home)}: {error.message}")
    if problems:
        raise NotUp("; ".join(problems))
    if tokens:
        run(_forget(session, tokens))


def _is_whole(home: Home, settings: Settings, problems: list[str]) -> bool:
    """Whether its settings can be read, if it has any; otherwise that is added to the problems, and the other nodes are started."""
    try:
        Settings.load(home)
    except SettingsError as error:
        problems.append(f"node {wanted.name(settings, home)}: {error}")
        return False
    return True


def is_ready(home: Home) -> bool:
    """Whether the node's process runs and has come up, so that there is nothing to show of it."""
    state = State.load(home, FURTHER)
    return state is not None and state.phase == "ready" and service.is_running(home, FURTHER)


async def _prepare(session: Session, settings: Settings, homes: list[Home]) -> list[BootstrapToken]:
    """The tokens that the nodes sign in with at first."""
    server = f"https://{with_port(settings.nodes_gateways[0], settings.api_port)}"
    authority = Identities(session.home.pki).ca.read_bytes()
    cluster = Cluster(
        server,
        authority,
        settings.pod_cidr,
        settings.service_cidr,
        settings.cluster_domain,
        settings.registry_port if settings.platform else 0,
    )
    tokens = []
    async with connected(session) as client:
        for home in homes:
            name, addresses = wanted.name(settings, home), [str(network[int(home.path.name)]) for network in settings.nodes_networks]
            await take_old_away(client, name, addresses[0])
            tokens.append(await _token(client, f"node {home.path.name} on this machine"))
            write(home, cluster, str(tokens[-1]), node_name=name, node_addresses=addresses, parent=str(session.home.path))
    return tokens


async def take_old_away(client: "Client", name: str, address: str) -> None:
    """The Node of one that was here before and was removed: no certificate in its name is given to a token while it is there.

    Raises ClickException when the name is another machine's.
    """
    node = await client.get_or_none(NODES, name)
    if node is None:
        return
    if all(each.get("address") != address for each in (node.get("status") or {}).get("addresses") or ()):
        raise click.ClickException(
            f"the cluster has a node {name} that is not on this machine: `{copyable(f'kubectl delete node {name}')}` once it is gone"
        )
    output.note(f"node {name} is made anew: the Node that was left of it is taken away")
    await client.delete(NODES, name)


async def _token(client: "Client", description: str) -> BootstrapToken:
    made = BootstrapToken(chance(6), chance(16), time.time() + TOKEN_S, (NODE_GROUP,), bootstrap_tokens.USAGES, description)
    await client.create(SECRETS, bootstrap_tokens.to_secret(made), NAMESPACE)
    return made


async def _forget(session: Session, tokens: list[BootstrapToken]) -> None:
    """They have served; one that somebody has deleted is no error."""
    async with connected(session) as client:
        for token in tokens:
            with suppress(NotFound):
                await client.delete(SECRETS, bootstrap_tokens.NAME_PREFIX + token.id, NAMESPACE)
