"""The storage drivers that are registered on this node now. In memory: an agent that starts anew finds the sockets of their registrars."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pilothouse.engine.csi import capabilities, methods
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi.driver import Driver
from pilothouse.engine.node.config import KUBELET, NodeConfig
from pilothouse.engine.node.csi.failure import MountFailed

STAGES, STATS, EXPANDS = "STAGE_UNSTAGE_VOLUME", "GET_VOLUME_STATS", "EXPAND_VOLUME"
CONDITION = "VOLUME_CONDITION"
MOUNT_GROUP, MANY_WRITERS = "VOLUME_MOUNT_GROUP", "SINGLE_NODE_MULTI_WRITER"


@dataclass(frozen=True, slots=True)
class Registered:
    """A driver, as it has said of itself.

    registration: the socket of its registrar. speaks_kubelet: it runs in a pod, where this node's folder is seen as `KUBELET`.
    capabilities: names of NodeServiceCapability.RPC. max_volumes: 0 for any number. topology: of this node, by key.
    """

    driver: Driver
    registration: Path
    speaks_kubelet: bool
    capabilities: frozenset[str]
    node_id: str
    max_volumes: int = 0
    topology: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.driver.name

    def can(self, capability: str) -> bool:
        return capability in self.capabilities


async def ask(config: NodeConfig, driver: Driver, registration: Path, endpoint: str) -> Registered:
    """What a driver says of itself. endpoint: its socket in its registrar's words. Raises CsiFailure."""
    info = await driver.call(methods.NODE_GET_INFO, csi.NodeGetInfoRequest())
    can = await capabilities.node(driver)
    topology = dict(info.accessible_topology.segments) if info.HasField("accessible_topology") else {}
    return Registered(driver, registration, endpoint.startswith(KUBELET + "/"), can, info.node_id, info.max_volumes_per_node, topology)


async def asked_again(registered: Registered, timeout_s: float) -> Registered:
    """With the number of volumes that it takes now. Raises CsiFailure."""
    info = await registered.driver.call(methods.NODE_GET_INFO, csi.NodeGetInfoRequest(), timeout_s)
    return replace(registered, max_volumes=info.max_volumes_per_node)


class Drivers:
    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._known: dict[str, Registered] = {}

    def all(self) -> list[Registered]:
        return [self._known[name] for name in sorted(self._known)]

    def find(self, name: str) -> Registered | None:
        return self._known.get(name)

    def get(self, name: str) -> Registered:
        """Raises MountFailed."""
        found = self._known.get(name)
        if found is None:
            raise MountFailed(f"driver name {name} not found in the list of registered CSI drivers")
        return found

    def add(self, registered: Registered) -> Registered | None:
        """Returns the registration of the same name that it replaces."""
        before = self._known.get(registered.name)
        self._known[registered.name] = registered
        return before

    def refresh(self, before: Registered, now: Registered) -> None:
        """Unless another registration has taken its place meanwhile."""
        if self._known.get(before.name) is before:
            self._known[before.name] = now

    def remove(self, registration: Path) -> Registered | None:
        """The driver that was made known through that socket, unless another one has made it known since."""
        found = next((each for each in self._known.values() if each.registration == registration), None)
        return None if found is None else self._known.pop(found.name)

    def path_for(self, registered: Registered, path: Path) -> str:
        """How the driver finds a path below the node's own folder."""
        if not registered.speaks_kubelet:
            return str(path)
        return str(Path(KUBELET) / path.relative_to(self._config.kubelet_dir))
