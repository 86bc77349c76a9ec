"""The plug-ins that look at the claims of pods, on one set of caches."""

from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.engine.scheduler.framework.plugin import Plugin
from pilothouse.engine.scheduler.plugins.volume_binding import VolumeBinding
from pilothouse.engine.scheduler.plugins.volume_limits import NodeVolumeLimits
from pilothouse.engine.scheduler.plugins.volume_zone import VolumeZone


class Volumes:
    """client: signed in as the scheduler."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._limits = NodeVolumeLimits(informers)
        self._binding = VolumeBinding(client, informers)
        self.plugins: tuple[Plugin, ...] = (self._limits, self._binding, VolumeZone(informers))
        self.informers = (*self._binding.claims.informers, *self._limits.informers)

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call back whenever a pod with claims may fit that did not before."""
        self._binding.on_change(changed)
        self._limits.on_change(changed)
