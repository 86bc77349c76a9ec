"""Pods that no node has taken, and what brings them back: an event of which a plug-in that refused them says that it may help.

Pods of one profile and shape that were refused alike are asked about once.
"""

from collections.abc import Mapping

from pilothouse.engine.scheduler.framework.plugin import Hinting
from pilothouse.engine.scheduler.snapshot.events import Event
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Shape

_Group = tuple[str, Shape, frozenset[str]]


class Waiting:
    """hinting: of each profile its plug-ins by name. Events are for everybody whom a plug-in without hints has refused, or none at all."""

    def __init__(self, hinting: Mapping[str, Mapping[str, Hinting]]) -> None:
        self._hinting = hinting
        self._groups: dict[_Group, dict[str, PodInfo]] = {}
        self._group_of: dict[str, _Group] = {}

    def __len__(self) -> int:
        return len(self._group_of)

    def park(self, pod: PodInfo, plugins: frozenset[str]) -> None:
        """plugins: those that have refused it."""
        self.drop(pod.key)
        group = self._group_of[pod.key] = pod.scheduler, pod.shape, plugins
        self._groups.setdefault(group, {})[pod.key] = pod

    def drop(self, key: str) -> None:
        if (group := self._group_of.pop(key, None)) is not None:
            pods = self._groups[group]
            del pods[key]
            if not pods:
                del self._groups[group]

    def woken_by(self, event: Event) -> list[str]:
        """Keys of the pods that the event may help. They stay until they are dropped."""
        return [key for (_, _, plugins), pods in self._groups.items() if self._helps(pods, plugins, event) for key in pods]

    def _helps(self, pods: Mapping[str, PodInfo], plugins: frozenset[str], event: Event) -> bool:
        if not plugins:
            return True
        one = next(iter(pods.values()))
        hinting = self._hinting.get(one.scheduler, {})
        return any((asked := hinting.get(name)) is None or asked.hint(one, event) for name in plugins)
