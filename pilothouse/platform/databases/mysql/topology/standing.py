"""What the instance's status remembers of who is primary, and changes of it (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class Move:
    """See `types.Move`."""

    kind: str = "switchover"
    at: str = ""
    source: str = ""
    target: str = ""
    started_at: str = ""
    finished_at: str = ""
    handed: str = ""
    read_only_seconds: float | None = None
    message: str = ""
    drains: bool = False

    @classmethod
    def of(cls, move: Mapping[str, Any]) -> "Move":
        def text(key: str) -> str:
            return str(move.get(key) or "")

        return cls(
            text("kind") or "switchover",
            text("at"),
            text("source"),
            text("target"),
            text("startedAt"),
            text("finishedAt"),
            text("handed"),
            move.get("readOnlySeconds"),
            text("message"),
            bool(move.get("drains")),
        )

    @property
    def is_open(self) -> bool:
        return bool(self.started_at) and not self.finished_at


@dataclass(frozen=True, slots=True)
class Standing:
    """See `types.MySQLStatus`, whose fields of the same names it is."""

    term: int = 0
    primary: str = ""
    acknowledging: tuple[str, ...] = ()
    durable: bool = False
    seeded: str = ""
    move: Move = field(default_factory=Move)
    switched_at: str = ""
    waits: bool = False
    reseeded_at: str = ""
    step: int = 0
    retiring: tuple[str, ...] = ()
    silenced: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> "Standing":
        return cls(
            int(status.get("term") or 0),
            str(status.get("primary") or ""),
            tuple(status.get("acknowledging") or ()),
            bool(status.get("durable")),
            str(status.get("seeded") or ""),
            Move.of(status.get("move") or {}),
            str(status.get("switchedAt") or ""),
            bool(status.get("waits")),
            str(status.get("reseededAt") or ""),
            int(status.get("step") or 0),
            tuple(status.get("retiring") or ()),
            tuple(status.get("silenced") or ()),
            tuple(status.get("passedOver") or ()),
        )

    @property
    def is_electing(self) -> bool:
        """Whether the old primary is being fenced and the new one not chosen yet."""
        return bool(self.seeded) and not self.primary

    def status(self) -> Object:
        """As fields of the status."""
        made: Object = {
            "term": self.term,
            "primary": self.primary,
            "acknowledging": list(self.acknowledging),
            "durable": self.durable,
            "seeded": self.seeded,
            "switchedAt": self.switched_at,
            "waits": self.waits,
            "reseededAt": self.reseeded_at,
            "step": self.step,
            "retiring": list(self.retiring),
            "silenced": list(self.silenced),
            "passedOver": list(self.passed_over),
        }
        return made | ({"move": self._move()} if self.move.started_at else {})

    def _move(self) -> Object:
        move = self.move
        return {
            "kind": move.kind,
            "at": move.at,
            "source": move.source,
            "target": move.target,
            "startedAt": move.started_at,
            "finishedAt": move.finished_at,
            "handed": move.handed,
            "readOnlySeconds": move.read_only_seconds,
            "message": move.message,
            "drains": move.drains,
        }

    def ended(self, now: str, message: str = "", read_only_seconds: float | None = None) -> "Standing":
        """With the move under way at its end."""
        move = replace(self.move, finished_at=now, message=message, read_only_seconds=read_only_seconds)
        return replace(self, move=move, switched_at=move.at or self.switched_at)
