"""The processes of an instance, and where each keeps what others know it by."""

from dataclasses import dataclass
from pathlib import Path

from pilothouse.cli.settings.home import Home, Settings, SettingsError

DEADLINE_S = 10.0
"""How long a process that is asked to end may take for an orderly end."""


@dataclass(frozen=True, slots=True)
class Role:
    """name: in file names. title: in messages. module: what it runs, with the home as its argument."""

    name: str
    title: str
    module: str

    def pid(self, home: Home) -> Path:
        return home.daemon_pid if self.name == "control" else home.node_pid

    def log(self, home: Home) -> Path:
        return home.daemon_log if self.name == "control" else home.node_log

    def state(self, home: Home) -> Path:
        return home.run / f"{self.name}.json"

    def worked(self, home: Home) -> Path:
        """There once the process has been ready; removed before each of its starts."""
        return home.run / f"{self.name}.worked"

    def supervisor_pid(self, home: Home) -> Path:
        return home.run / f"{self.name}-supervisor.pid"


CONTROL = Role("control", "control plane", "pilothouse.cli.daemon.control")
NODE = Role("node", "node", "pilothouse.cli.daemon.node")
FURTHER = Role("node", "node", "pilothouse.cli.daemon.further")
"""The node of a home that is a further one on its machine: the same process, in network and mount namespaces of its own."""
ROLES = (CONTROL, NODE)


def roles_of(home: Home) -> tuple[Role, ...]:
    """The processes of a home: of one that has joined a cluster there is the node alone. Where settings cannot be read, all that may be."""
    try:
        settings = Settings.load(home)
    except SettingsError:
        return ROLES
    if settings is None or not settings.server:
        return ROLES
    return (FURTHER if settings.parent else NODE,)
