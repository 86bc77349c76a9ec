"""Run in the namespaces of a further node: takes its containers, mounts, links and rules away."""

import asyncio
import logging
import sys

import click

from pilothouse.cli.cluster.removal import NotRemoved, remove_node
from pilothouse.cli.daemon.logs import configure
from pilothouse.cli.settings.home import Home, Settings


def main() -> int:
    configure(logging.ERROR)
    home = Home.chosen(sys.argv[1])
    settings = Settings.salvaged(home).changed(parent=str(home.path.parents[1]))
    try:
        asyncio.run(remove_node(home, settings))
    except NotRemoved as error:
        click.echo("; ".join(error.failures), err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
