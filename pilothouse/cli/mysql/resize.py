"""`ph mysql resize`: more or less CPU and memory, larger volumes, while it serves."""

import click

from pilothouse.cli.mysql import change, values
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.model.json import Object


@click.command()
@values.INSTANCE
@click.option("--cpu", callback=values.quantity("cpu"), metavar="QUANTITY", help="Of each member's server, such as 2 or 500m.")
@click.option("--memory", callback=values.quantity("memory"), metavar="QUANTITY", help="Of each member's server, such as 1Gi.")
@click.option("--size", callback=values.quantity("storage"), metavar="QUANTITY", help="Of each member's volume; never less than it is.")
@change.operation()
@pass_session
def resize(
    session: Session,
    instance: str,
    cpu: str | None,
    memory: str | None,
    size: str | None,
    namespace: str,
    dry_run: bool,
    wait: bool,
    timeout: float,
) -> None:
    """Change CPU and memory in place, without a restart or a lost connection, and make volumes larger.

    \b
    Examples:
      ph mysql resize orders --memory 1Gi
      ph mysql resize orders --cpu 2 --memory 2Gi --size 10Gi
      ph mysql resize orders --memory 256Mi --dry-run
    """
    if not (cpu or memory or size):
        raise click.UsageError("say what is to change: --cpu, --memory or --size")
    spec = wanted(cpu, memory, size)
    run(_resize(session, instance, namespace, spec, change.How.of(dry_run, wait, timeout)))


def wanted(cpu: str | None, memory: str | None, size: str | None) -> Object:
    resources = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {**({"resources": resources} if resources else {}), **({"size": size} if size else {})}


async def _resize(session: Session, name: str, namespace: str, spec: Object, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        if size := spec.get("size"):
            refuse_shrinking(instance, size)
        await change.carry_out(client, instance, spec, how, sized)


def refuse_shrinking(instance: Object, size: str) -> None:
    from pilothouse.model import meta
    from pilothouse.model.quantity import parse

    has = instance["spec"].get("size", "0")
    if parse(size).amount < parse(has).amount:
        name = meta.name(instance)
        way = f"a smaller one is made from its data: `ph mysql create {name}-small --size {size} --from {name}`"
        raise click.ClickException(f"the volumes of {name} have {has}, and volumes are never made smaller; {way}")


def sized(instance: Object) -> str:
    from pilothouse.model import meta

    spec = instance["spec"]
    resources = spec.get("resources") or {}
    has = f"{resources.get('cpu')} of cpu, {resources.get('memory')} of memory and {spec.get('size')} of storage"
    return f"{meta.name(instance)} has {has}" + (" a member" if spec.get("replicas", 1) > 1 else "")
