"""What an instance's spec asks of its topology (pure)."""

from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class Wish:
    """replicas: how many members there are to be. switch_at, switch_to, force: see `types.Switchover`. restores: from a backup."""

    name: str
    replicas: int = 1
    switch_at: str = ""
    switch_to: str = ""
    force: bool = False
    restores: bool = False
    reseed_member: str = ""
    reseed_at: str = ""

    @classmethod
    def of(cls, instance: Object) -> "Wish":
        spec = instance["spec"]
        switch, reseed = spec.get("switchover") or {}, spec.get("reseed") or {}
        return cls(
            meta.name(instance),
            int(spec.get("replicas", 1)),
            switch.get("at") or "",
            switch.get("to") or "",
            bool(switch.get("force")),
            bool(spec.get("restore")),
            reseed.get("member") or "",
            reseed.get("at") or "",
        )

    @property
    def names(self) -> list[str]:
        """Of the members, the first one first."""
        return [f"{self.name}-{ordinal}" for ordinal in range(self.replicas)]

    @property
    def acknowledging(self) -> int:
        """How many replicas acknowledge. Two, so that any one member may be lost and the others know all that was acknowledged."""
        return min(2, self.replicas - 1)
