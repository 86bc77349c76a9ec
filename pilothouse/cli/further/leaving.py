"""Run in the namespaces of a further node: takes its containers, mounts, links and rules away."""

import asyncio
import logging
import sys

from pilothouse.cli.cluster.removal import remove_node
from pilothouse.cli.daemon.logs import configure
from pilothouse.cli.settings.home import Home, Settings


def main() -> int:
    configure(logging.ERROR)
    home = Home.chosen(sys.argv[1])
    settings = Settings.salvaged(home).changed(parent=str(home.path.parents[1]))
    asyncio.run(remove_node(home, settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
