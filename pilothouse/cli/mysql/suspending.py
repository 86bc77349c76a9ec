"""`ph mysql suspend` and `resume`: an instance without anything that runs, and back."""

import click

from pilothouse.cli.mysql import change, standing, values
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.model.json import Object


@click.command()
@values.INSTANCE
@change.operation()
@pass_session
def suspend(session: Session, instance: str, namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Stop an instance's servers and keep its volumes: nothing of it takes CPU or memory until it is resumed.

    \b
    Examples:
      ph mysql suspend orders
      ph mysql suspend orders --dry-run
    """
    run(_set(session, instance, namespace, suspended=True, how=change.How.of(dry_run, wait, timeout)))


@click.command()
@values.INSTANCE
@change.operation()
@pass_session
def resume(session: Session, instance: str, namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Start a suspended instance again, with all that it had.

    \b
    Example:
      ph mysql resume orders
    """
    run(_set(session, instance, namespace, suspended=False, how=change.How.of(dry_run, wait, timeout)))


async def _set(session: Session, name: str, namespace: str, *, suspended: bool, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        await change.carry_out(client, instance, {"suspended": suspended}, how, stood)


def stood(instance: Object) -> str:
    name = instance["metadata"]["name"]
    if instance["spec"].get("suspended"):
        return f"{name} is {'suspended' if standing.phase(instance) == 'Suspended' else 'being suspended'}"
    return f"{name} {'answers' if standing.phase(instance) in standing.WELL else 'is being resumed'}"
