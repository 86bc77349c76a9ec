"""What admission and the write path know of one attempt to write."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.json import Object

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True)
class Write:
    """value: the new object, a private copy (None of a DELETE or CONNECT); old: the stored one, never to be changed (None of a CREATE).

    name: "" while it is to be generated. A CONNECT opens a session and stores nothing. deadline: in the event loop's time, None for no
    other end than the client's. Each attempt to write has a Write of its own: what one has changed, the next does not see.
    """

    operation: Operation
    served: ServedResource
    namespace: str
    name: str
    user: User
    value: Object | None = None
    old: Object | None = None
    subresource: str = ""
    dry_run: bool = False
    warn: Callable[[str], None] = lambda text: None
    deadline: float | None = None
    _releases: list[Callable[[], None]] = field(default_factory=list)

    @property
    def group_resource(self) -> str:
        return self.served.group_resource

    def new(self) -> Object:
        assert self.value is not None, "only a CREATE or an UPDATE has a new value"
        return self.value

    def on_release(self, release: Callable[[], None]) -> None:
        """Call `release` once the commit has an outcome: what has been reserved is visible in the store then, or void."""
        self._releases.append(release)

    def release(self) -> None:
        """For the write path alone."""
        for release in self._releases:
            release()
        self._releases.clear()
