"""Everything about storage drivers that an agent has: who is registered, what the API shows of it, and the volumes."""

from collections.abc import Callable
from typing import NamedTuple

from pilothouse.client.client import Client
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.attaching import Attaching
from pilothouse.engine.node.csi.drivers import Drivers
from pilothouse.engine.node.csi.node_objects import NodeObjects
from pilothouse.engine.node.csi.registration import Registrations
from pilothouse.engine.node.csi.sources import CsiSources
from pilothouse.engine.node.csi.volumes import CsiVolumes


class News(NamedTuple):
    """What the agent is told. drivers(): one has come or gone. in_use(): the volumes are others that the node has in use.

    over(uid): something that a pod's worker no longer waits for has ended.
    """

    drivers: Callable[[], None]
    in_use: Callable[[], None]
    over: Callable[[str], None]


class StorageDrivers:
    """clock: seconds that never go back."""

    def __init__(self, client: Client, config: NodeConfig, sources: CsiSources, clock: Callable[[], float], news: News) -> None:
        self._news = news
        self.registered = Drivers(config)
        self.attaching = Attaching(config, sources, news.in_use)
        self.volumes = CsiVolumes(config, self.registered, sources, self.attaching, news.over, clock)
        self.objects = NodeObjects(client, config, self.registered, clock)
        self.registrations = Registrations(config, self.registered, self._changed, clock)

    def _changed(self) -> None:
        self.objects.changed()
        self._news.drivers()
