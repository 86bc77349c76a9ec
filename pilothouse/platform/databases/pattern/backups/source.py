"""What a kind of backing service says of its instances so that backups of them can be taken: the seam to it."""

from dataclasses import dataclass
from typing import Protocol

from pilothouse.model.json import Object
from pilothouse.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a Job copies from or gives data to. tls: the Secret with the Job's certificate (tls.crt, tls.key, ca.crt)."""

    member: str
    host: str
    port: int
    tls: str


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why no backup can be taken now. reason: CamelCase."""

    reason: str
    message: str


class Source(Protocol):
    instances: Resource

    def image(self, instance: Object) -> str:
        """That Jobs run: with the tools of its version. "" when there is none yet."""

    def size(self, instance: Object) -> str:
        """Room that a copy of its data may need, as a quantity."""

    def carried(self, instance: Object) -> Object:
        """What a Backup keeps of the instance in `status.source`, so that one like it can be made when it has gone. Nothing secret."""

    def target(self, instance: Object) -> Target | Hindrance:
        """A member that a copy burdens least."""
