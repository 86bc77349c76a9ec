"""Which further nodes `ph up --nodes N` asks for, and why there cannot be so many."""

from itertools import count as numbers_from

import click

from pilothouse.cli.cluster import node_names
from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.cli.settings.networks import most_nodes


def homes(instance: Home, count: int) -> list[Home]:
    """Those of the further nodes that there are, and new ones up to `count` nodes with the first, under the lowest free numbers."""
    numbers = [int(home.path.name) for home in instance.further()]
    new = (number for number in numbers_from(2) if number not in numbers)
    more = [next(new) for _ in range(count - 1 - len(numbers))]
    return [Home(instance.further_nodes / str(number)) for number in sorted([*numbers, *more])]


def name(settings: Settings, home: Home) -> str:
    """Of a further node. settings: of its instance."""
    return f"{settings.node_name}-{home.path.name}"


def check(session: Session, settings: Settings, count: int) -> None:
    """Raises ClickException when the instance cannot have this number of nodes on this machine. settings: the instance's."""
    if settings.server:
        raise click.ClickException(
            f"{session.home.path} is a node of the cluster at {settings.server}: --nodes is for the machine of its control plane"
        )
    there = session.home.further()
    if count <= len(there):
        _refuse_fewer(session, settings, count, there)
    if count > (most := most_nodes(settings.pod_networks)) > 1:
        raise click.ClickException(
            f"the pod network {settings.pod_cidr} has addresses for {most} nodes: more take a new instance, with a larger --pod-cidr"
        )
    for home in homes(session.home, count):
        if len(own := name(settings, home)) > node_names.LONGEST:
            raise click.ClickException(
                f"the name of a further node would be {own}, which is longer than {node_names.LONGEST} characters: "
                "several nodes take a new instance, with a shorter --node-name"
            )


def _refuse_fewer(session: Session, settings: Settings, count: int, there: list[Home]) -> None:
    last = name(settings, there[-1])
    steps = (
        session.command(f"kubectl drain {last} --ignore-daemonsets"),
        Session(there[-1], None, session.verbose).command("destroy"),
        session.command(f"kubectl delete node {last}"),
    )
    raise click.ClickException(
        f"there are {len(there) + 1} nodes on this machine, and --nodes {count} takes none away: "
        + ", ".join(f"`{step}`" for step in steps[:-1])
        + f" and `{steps[-1]}` remove {last}"
    )
