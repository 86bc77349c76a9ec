"""Starts a further node of a machine: makes its namespaces and its way out of them, enters them, and becomes the node's process.

The pid stays the same, so that who has started it finds the node under it. All is looked at anew with each start: links and bridges may
have gone with a restart of the machine.
"""

import os
import sys

import structlog

from pilothouse.cli.daemon.logs import configure
from pilothouse.cli.daemon.roles import FURTHER, NODE
from pilothouse.cli.daemon.state import Steps, note_pid
from pilothouse.cli.further import namespaces, network
from pilothouse.cli.further.place import Place
from pilothouse.cli.settings.home import Home, Settings, SettingsError

log = structlog.get_logger("daemon")
EX_CONFIG = 78


def prepare(home: Home) -> list[str]:
    """The command to become. Raises ValueError, SettingsError where there is no such node, NamespaceFailure."""
    place = Place.of(home)
    above = Settings.load(place.parent)
    assert above is not None
    network.ensure_bridge(place)
    holder = namespaces.hold(place)
    network.ensure_link(place, holder)
    network.ensure_resolver(place, holder, above.gateway_address)
    return [*namespaces.entering(holder.pid), sys.executable, "-m", NODE.module, str(home.path)]


def main() -> int:
    home = Home.chosen(sys.argv[1])
    configure()
    steps = Steps(home, FURTHER)
    note_pid(FURTHER.pid(home), steps.state.pid)
    try:
        command = prepare(home)
    except (ValueError, SettingsError) as error:
        steps.enter("failed", str(error))
        return EX_CONFIG
    except namespaces.NamespaceFailure as error:
        log.error("failed", error=str(error))
        steps.enter("failed", str(error))
        return 1
    os.chdir("/")
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
