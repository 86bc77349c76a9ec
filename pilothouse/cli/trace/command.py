"""The command `ph trace`."""

from typing import TYPE_CHECKING

import click

from pilothouse.cli import names, output
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, placed, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.cli.trace.story import Facts, Story
    from pilothouse.cli.trace.target import Target
    from pilothouse.client.client import Client


@click.command()
@click.argument("what", metavar="svc/NAME|pod/NAME|ADDRESS", shell_complete=names.receivers)
@click.option("--from", "source", required=True, metavar="pod/NAME", shell_complete=names.senders, help="The pod that sends the packet.")
@click.option("--port", metavar="PORT", help="Number or name; may be left out where there is only one.")
@click.option("--proto", "protocol", type=click.Choice(["tcp", "udp", "sctp"]), help="Default: that of the port, else tcp.")
@click.option(
    "--to-namespace",
    metavar="NAMESPACE",
    shell_complete=names.namespaces,
    help="Of what is traced to, where it is not the sender's.",
)
@click.option("--wait", type=click.FloatRange(0.2, 7), default=2.0, show_default=True, metavar="SECONDS", help="How long for an answer.")
@NAMESPACE
@output.OUTPUT
@pass_session
@click.pass_context
def trace(
    ctx: click.Context,
    session: Session,
    what: str,
    source: str,
    port: str | None,
    protocol: str | None,
    to_namespace: str | None,
    wait: float,
    namespace: str,
    output: str,
) -> None:
    """Send one real packet out of a pod, and show what the rules of each node on its way do to it.

    The exit status is 0 when the packet is answered (a datagram: delivered), 1 when not.

    \b
    Examples:
      ph trace svc/shop --from pod/shop-5d8f7c9b6-x2x4z
      ph trace pod/db-0 --from pod/shop-5d8f7c9b6-x2x4z --port 5432
      ph trace svc/dns --from pod/shop-0 --proto udp --to-namespace kube-system
      ph trace 192.0.2.7 --from pod/shop-0 --port 443 -o json
    """
    if not run(_trace(session, what, source, port, protocol, namespace, to_namespace or namespace, wait, output)):
        ctx.exit(1)


async def _trace(
    session: Session,
    what: str,
    source: str,
    port: str | None,
    protocol: str | None,
    namespace: str,
    to_namespace: str,
    wait_s: float,
    how: str,
) -> bool:
    from pilothouse.cli.trace.asking import reports
    from pilothouse.cli.trace.story import ANSWERED, DELIVERED, story
    from pilothouse.cli.trace.target import sender, target
    from pilothouse.model.kinds import NODES

    async with connected(session) as client:
        pod = await sender(client, source, namespace)
        to = await target(client, what, to_namespace, pod, port, protocol)
        nodes = {each["metadata"]["name"]: each for each in (await client.list_all(NODES)).items}
        found = await reports(client, pod, to, nodes, wait_s)
        facts = await _facts(client, pod, to, nodes)
    told = story(facts, found.reports, found.unasked)
    if how == "table":
        _show(told)
    else:
        output.document(_document(told, to, found.reports), how)
    return told.outcome in (ANSWERED, DELIVERED)


async def _facts(client: "Client", pod: Object, to: "Target", nodes: dict[str, Object]) -> "Facts":
    """Read after the packet: what explains its fate is what held then, or a moment later."""
    from pilothouse.cli.trace.story import Facts
    from pilothouse.cli.trace.target import selected
    from pilothouse.cli.why.service_causes import of_port
    from pilothouse.model.kinds import NETWORKPOLICIES, PODS

    namespaces = {pod["metadata"]["namespace"], *(each.pod.partition("/")[0] for each in to.endpoints if each.pod)}
    policies = [each for namespace in sorted(namespaces) for each in (await client.list_all(NETWORKPOLICIES, namespace)).items]
    clusterwide = await _cluster_policies(client)
    pods = {}
    if policies:
        for each in to.endpoints[:100]:
            namespace, _, name = each.pod.partition("/")
            if name and (found := await client.get_or_none(PODS, name, namespace)) is not None:
                pods[each.pod] = found
    addresses = {name: [each["address"] for each in node.get("status", {}).get("addresses") or ()] for name, node in nodes.items()}
    service, chosen = to.service, list[Object]()
    if service is not None and of_port(service, to.service_port, (), to.slices) is not None:
        chosen = await selected(client, service)
    return Facts(pod, to, pods, policies, clusterwide, chosen, addresses)


async def _cluster_policies(client: "Client") -> list[Object]:
    """None where the kind is not served."""
    from pilothouse.model.errors import NotFound
    from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES

    try:
        return (await client.list_all(CLUSTERNETWORKPOLICIES)).items
    except NotFound:
        return []


def _show(told: "Story") -> None:
    rows = [[number, hop.node, hop.what] for number, hop in enumerate(told.hops, 1)]
    if rows:
        output.table(["", "node", "the packet"], rows)
        click.echo()
    sentence = told.outcome if not told.cause else f"{told.outcome}: {told.cause}"
    click.echo(output.folded(placed(sentence[:1].upper() + sentence[1:])))
    if told.would:
        click.echo(output.folded(f"In rehearsal, and would drop it: {'; '.join(told.would)}"))
    if told.rule:
        click.echo(output.folded(f"Rule: {told.table}, chain {told.chain}: {told.rule}"))


def _document(told: "Story", to: "Target", found: dict[str, Object]) -> Object:
    """The answer as data, with all that the nodes have said."""
    return {
        "to": to.shown,
        "outcome": told.outcome,
        "cause": placed(told.cause),
        "rule": {"table": told.table, "chain": told.chain, "text": told.rule} if told.rule else None,
        "networkPolicies": list(told.policies),
        "wouldDrop": list(told.would),
        "hops": [{"node": hop.node, "packet": hop.what} for hop in told.hops],
        "nodes": found,
    }
