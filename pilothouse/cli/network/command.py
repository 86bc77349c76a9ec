"""`ph network`: the group and what is in it."""

import click

from pilothouse.cli.network.bgp import bgp, routes
from pilothouse.cli.network.setting import set_
from pilothouse.cli.network.show import show


@click.group()
def network() -> None:
    """Show and change how nodes reach each other's pods.

    \b
    Examples:
      ph network show
      ph network set --backend vxlan
    """


network.add_command(bgp)
network.add_command(routes)
network.add_command(show)
network.add_command(set_)
