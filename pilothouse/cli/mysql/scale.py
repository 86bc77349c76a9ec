"""`ph mysql scale`: how many members an instance has."""

import click

from pilothouse.cli.mysql import change, values
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.model.json import Object


@click.command()
@values.INSTANCE
@click.argument("replicas", type=values.REPLICAS, metavar="1|3-9")
@change.operation(900)
@pass_session
def scale(session: Session, instance: str, replicas: int, namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Change the number of members: 1, or 3 to 9 of which one is the primary.

    New members are copied from one that goes on serving. The volumes of members that go are kept.

    \b
    Examples:
      ph mysql scale orders 3
      ph mysql scale orders 1 --dry-run
    """
    run(_scale(session, instance, replicas, namespace, change.How.of(dry_run, wait, timeout)))


async def _scale(session: Session, name: str, replicas: int, namespace: str, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        await change.carry_out(client, instance, {"replicas": replicas}, how, scaled)


def scaled(instance: Object) -> str:
    replicas = instance["spec"].get("replicas", 1)
    return f"{instance['metadata']['name']} has {replicas} member{'' if replicas == 1 else 's'}"
