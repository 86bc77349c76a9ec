"""What a node was last told about the network, on its disk: a node that starts while nobody can be asked changes nothing."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from pilothouse.model.cluster_network import BACKENDS, filled
from pilothouse.model.json import Object

log = structlog.get_logger("network.backends")


@dataclass(frozen=True, slots=True)
class Remembered:
    """generation: of the ClusterNetwork, 0 for none. spec: defaults filled in."""

    generation: int = 0
    spec: Object = field(default_factory=lambda: filled({}))

    @classmethod
    def of(cls, network: Object) -> "Remembered":
        return cls(network["metadata"].get("generation", 0), filled(network.get("spec") or {}))


class Memory:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "cluster-network.json"
        self.last = Remembered()

    def load(self) -> None:
        """Blocks. A file that is not there, or not whole, is none."""
        try:
            found = json.loads(self._file.read_text())
            last = Remembered(int(found["generation"]), filled(found["spec"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
        if last.spec["backend"] in BACKENDS:
            self.last = last

    def save(self, setting: Remembered) -> None:
        """Blocks. A disk that refuses costs the memory alone."""
        if setting == self.last:
            return
        self.last = setting
        fresh = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps({"generation": setting.generation, "spec": setting.spec}))
            fresh.replace(self._file)
        except OSError as error:
            log.warning("what was set is not remembered", file=str(self._file), error=str(error))
