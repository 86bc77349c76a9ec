"""The order of admission and what its parts are given.

Mutating parts run first, in order, on the caller's private copy; then the object is validated; then the validating parts see
it as it will be stored. A part that reserves something (quota) leaves a way to give it back: `Attributes.releases`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.served import Served
from pilothouse.model.json import Object

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True)
class Attributes:
    """value: the new object (None on delete); old: the stored one (None on create).

    releases: called once the write has been carried out or has failed; whatever was reserved is either visible or void then.
    """

    operation: Operation
    served: Served
    namespace: str
    name: str
    user: User
    value: Object | None = None
    old: Object | None = None
    subresource: str = ""
    dry_run: bool = False
    warn: Callable[[str], None] = lambda text: None
    releases: list[Callable[[], None]] = field(default_factory=list)

    @property
    def group_resource(self) -> str:
        return self.served.resource.group_resource

    def new(self) -> Object:
        assert self.value is not None, "only writes of an object have a new value"
        return self.value

    def release(self) -> None:
        for release in self.releases:
            release()
        self.releases.clear()


class Plugin(Protocol):
    """Both raise ApiError to refuse; a part does nothing about what does not concern it."""

    def mutate(self, attributes: Attributes) -> None: ...
    def validate(self, attributes: Attributes) -> None: ...


class Chain:
    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        self._plugins = tuple(plugins)

    def mutate(self, attributes: Attributes) -> None:
        for plugin in self._plugins:
            plugin.mutate(attributes)

    def validate(self, attributes: Attributes) -> None:
        for plugin in self._plugins:
            plugin.validate(attributes)

    def run(self, attributes: Attributes) -> None:
        """Both steps, for what is not stored and has nothing to validate in between. Raises ApiError."""
        try:
            self.mutate(attributes)
            self.validate(attributes)
        finally:
            attributes.release()
