"""`ph join`: makes this machine a node of a cluster that another machine has."""

import re
import socket
import sys
from contextlib import ExitStack
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from pilothouse.cli import output
from pilothouse.cli.cluster import commands, networks, node_names, ports, service
from pilothouse.cli.cluster.turn import turn
from pilothouse.cli.containerd.fetch import codename
from pilothouse.cli.containerd.place import kept
from pilothouse.cli.containerd.provide import provide
from pilothouse.cli.session import Session, pass_session, run
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.model import bootstrap_tokens
from pilothouse.model.bootstrap_tokens import BootstrapToken
from pilothouse.model.networks import families, family, in_order, split

if TYPE_CHECKING:
    from pilothouse.cli.cluster.discovery import Cluster

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_TOKEN = 4096
DEFAULT_PORT = 6443
LOOPBACK = "127.0.0.1"


@click.command()
@click.argument("server", metavar="HOST[:PORT]")
@click.option("--token", required=True, metavar="TOKEN|-", help="A bootstrap token (`ph token create`), or - for standard input.")
@click.option(
    "--ca-cert-hash",
    "hashes",
    multiple=True,
    required=True,
    metavar="sha256:HEX",
    help="Hash of the public key of the cluster's authority; several while it is being changed.",
)
@click.option("--node-name", metavar="NAME", help="Name of the node (default: the host's name).")
@click.option(
    "--node-ip",
    metavar="ADDRESS[,ADDRESS]",
    help="By which other nodes reach this one, one of a family (default: that from which the server is reached).",
)
@pass_session
def join(session: Session, server: str, token: str, hashes: tuple[str, ...], node_name: str | None, node_ip: str | None) -> None:
    """Make this machine a node of the cluster whose API server is at HOST.

    `ph token create --print-join-command` on the first machine prints the whole line. `ph destroy` here takes the machine out of the
    cluster again; `kubectl drain` and `kubectl delete node` there come before and after it.

    \b
    Examples:
      sudo ph join 10.0.0.1:6443 --token abcdef.0123456789abcdef --ca-cert-hash sha256:2b4f...
      sudo ph join 10.0.0.1 --token - --ca-cert-hash sha256:2b4f... --node-name rack-3 < token
    """
    commands.need_root("join")
    home = session.home
    held_token, url = _token(token), _url(server)
    for each in hashes:
        if not _HASH.fullmatch(each):
            raise click.UsageError(f"--ca-cert-hash {each!r} is not sha256: and 64 hexadecimal digits")
    name = node_names.chosen(node_name)
    stated = None if node_ip is None else _stated_addresses(node_ip)
    with ExitStack() as held:
        held.enter_context(turn(home))
        if not service.any_running(home):
            commands.undo_unfinished(home)
        _require_free(session, home)
        commands.require_programs()
        cluster = _discovered(url, held_token, hashes, name)
        _require_room(cluster)
        _require_registry_port(cluster.registry_port)
        addresses = in_order(stated, families(cluster.pod_networks)) if stated else _addresses(cluster)
        provide(kept(), codename())
        _begin(home, cluster, held_token, name, addresses)
    commands.wait_joined(session, is_first=True)
    home.unproven.unlink(missing_ok=True)
    click.echo(f"The machine is node {name} of the cluster at {cluster.server}")


def _token(text: str) -> BootstrapToken:
    whole = sys.stdin.read(_LONGEST_TOKEN).strip() if text == "-" else text
    parts = bootstrap_tokens.parse(whole)
    if parts is None:
        raise click.UsageError("--token is not of the form abcdef.0123456789abcdef: `ph token create` on the first machine makes one")
    return BootstrapToken(*parts)


def _url(server: str) -> str:
    parts = urlsplit(server if "://" in server else f"https://{server}")
    try:
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        port = 0
    more = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme != "https" or not parts.hostname or not port or more:
        raise click.UsageError(f"{server!r} is no address of an API server such as 10.0.0.1:6443")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}:{port}"


def _require_free(session: Session, home: Home) -> None:
    settings = Settings.load(home)
    if settings is not None:
        what = f"a node of the cluster at {settings.server}" if settings.server else "a cluster of its own"
        raise click.ClickException(
            f"{home.path} is {what} already: `{session.command('up')}` starts it, `{session.command('destroy')}` removes it, "
            "or choose another place with --home"
        )


def _discovered(url: str, token: BootstrapToken, hashes: tuple[str, ...], node_name: str) -> "Cluster":
    from pilothouse.cli.cluster.discovery import NotBelieved, discover

    with output.Progress().step(f"asking {url} what cluster it is"):
        try:
            return run(discover(url, token, hashes, node_name))
        except NotBelieved as error:
            raise click.ClickException(str(error)) from error


def _require_room(cluster: "Cluster") -> None:
    """The cluster's networks are given; what uses one of their addresses here, an instance's bridge perhaps, would be lost."""
    uses = networks.routed()
    for what, network in ((what, each) for what, cidrs in cluster.networks for each in cidrs):
        if (use := networks.holder(network, uses)) is not None:
            raise click.ClickException(
                f"the cluster's {what} network {network} overlaps {use.network}, which {use.holder} uses on this machine: "
                "it cannot join this cluster"
            )
    try:
        networks.require_families([family(network) for _, cidrs in cluster.networks for network in cidrs])
    except SettingsError as error:
        raise click.ClickException(f"the cluster's pods and services have IPv6 addresses, and {error}") from error


def _require_registry_port(port: int) -> None:
    """port: 0 for a cluster without a registry. Images are named by it on all nodes, so that this one cannot take another."""
    if not port or ports.is_free(LOOPBACK, port):
        return
    owner = ports.holder(port)
    raise click.ClickException(
        f"port {port} of {LOOPBACK}, by which the cluster's images are named on every node, is taken{f' by {owner}' if owner else ''}: "
        "end it, or make the cluster with another port (`ph up --registry-port`)"
    )


def _stated_addresses(text: str) -> tuple[str, ...]:
    """Refused before anything is asked of the cluster. Raises UsageError."""
    try:
        found = [ip_address(part) for part in split(text)]
    except ValueError as error:
        raise click.UsageError(f"--node-ip {text!r} is no IP address such as 10.0.0.2, or one of each family with a comma") from error
    if not found or len({address.version for address in found}) < len(found):
        raise click.UsageError(f"--node-ip {text!r} has to be one address, or one of each family with a comma")
    for address in found:
        is_reached = not (address.is_unspecified or address.is_loopback or address.is_link_local)
        if not is_reached or not ports.is_of_this_machine(str(address)):
            raise click.UsageError(
                f"--node-ip {address} is no address of this machine by which other nodes could reach it: `ip address` lists those there are"
            )
    return tuple(map(str, found))


def _addresses(cluster: "Cluster") -> tuple[str, ...]:
    """That from which the server is reached, and of another family of the cluster's pods that of the way to everywhere else."""
    first = _address_towards(cluster.server)
    found = {family(ip_address(first)): first}
    for wanted in families(cluster.pod_networks):
        if wanted not in found and (other := _default_address(wanted)):
            found[wanted] = other
        if wanted not in found:
            output.note(f"this machine has no {wanted} address by which other nodes would reach its pods: --node-ip names one")
    return in_order(found.values(), families(cluster.pod_networks))


def _address_towards(server: str) -> str:
    parts = urlsplit(server)
    why = ""
    try:
        targets = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise click.ClickException(f"{parts.hostname} has no address: {error.strerror}") from error
    for kind, _, _, _, target in targets:
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(target)  # A datagram socket sends nothing by that.
            except OSError as error:
                why = error.strerror or str(error)
            else:
                return str(probe.getsockname()[0])
    raise click.ClickException(f"this machine has no route to {server}: {why}")


def _default_address(wanted: str) -> str:
    """By which this machine speaks to the rest of the world; "" where it cannot in that family."""
    kind, target = (socket.AF_INET6, "2001:db8::1") if wanted == "IPv6" else (socket.AF_INET, "192.0.2.1")  # Documentation's.
    with socket.socket(kind, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _begin(home: Home, cluster: "Cluster", token: BootstrapToken, name: str, addresses: tuple[str, ...]) -> None:
    from pilothouse.cli.cluster.joining import write

    commands.note_first(home)
    write(home, cluster, str(token), node_name=name, node_addresses=addresses)
    service.start(home)
