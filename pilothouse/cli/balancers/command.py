"""`ph lb`: which Services have which addresses, who answers for them, and how full the pools are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.balancers.listed import Balancer, PoolRow, balancers, document, pool_rows, refusals
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client
    from pilothouse.model.resource import Resource


@click.command()
@NAMESPACE
@click.option("-A", "--all-namespaces", is_flag=True, help="List the load balancers of all namespaces.")
@output.OUTPUT
@pass_session
def lb(session: Session, namespace: str, all_namespaces: bool, output: str) -> None:
    """List Services of type LoadBalancer with their addresses and who answers for these, and address pools with how full they are.

    Why a Service has no address stands in the last column; `ph why service/NAME` says it with the way out.

    \b
    Examples:
      ph lb
      ph lb -A
      ph lb -A -o json
    """
    run(_list(session, None if all_namespaces else namespace, output))


async def _list(session: Session, namespace: str | None, how: str) -> None:
    from pilothouse.model.kinds import EVENTS, SERVICES
    from pilothouse.model.load_balancers import CONFIGURATIONSTATES, IPADDRESSPOOLS, NAMESPACE, SERVICEL2STATUSES

    async with connected(session) as client:
        services = (await client.list_all(SERVICES, namespace)).items
        said = (await client.list_all(EVENTS, namespace, field_selector="involvedObject.kind=Service")).items
        statuses = await _readable(client, SERVICEL2STATUSES, NAMESPACE)
        pools = await _readable(client, IPADDRESSPOOLS, NAMESPACE)
        states = await _readable(client, CONFIGURATIONSTATES, NAMESPACE)
    found = balancers(services, statuses, refusals(said))
    rows = pool_rows(pools, next(iter(states), None))
    if how != "table":
        output.document({"services": document(found), "pools": document(rows)}, how)
        return
    _show(found, rows, namespace)


async def _readable(client: "Client", resource: "Resource", namespace: str) -> Sequence[Object]:
    """Nothing for those who may not read it, and in clusters without the kind."""
    from pilothouse.model.errors import Forbidden, NotFound

    try:
        return (await client.list_all(resource, namespace)).items
    except (Forbidden, NotFound):
        return ()


def _show(found: Sequence[Balancer], rows: Sequence[PoolRow], namespace: str | None) -> None:
    if found:
        headings = [*(["namespace"] if namespace is None else []), "service", "address", "ports", "from", "answers", "problem"]
        output.table(headings, [[*([each.namespace] if namespace is None else []), *_cells(each)] for each in found])
    else:
        where = "" if namespace is None else f" in namespace {namespace} (`{copyable('lb -A')}` lists those of all)"
        output.note(f"no Service of type LoadBalancer{where}")
    if rows:
        output.say("")
        output.table(
            ["pool", "addresses", "used", "free", "problem"],
            [[each.name, ", ".join(each.addresses), each.used, each.free, each.problem] for each in rows],
        )


def _cells(each: Balancer) -> list[str]:
    source = each.pool or ("nodes" if each.addresses and not each.problem else "")
    return [each.name, ", ".join(each.addresses), ", ".join(each.ports), source, ", ".join(each.announcedBy), each.problem]
