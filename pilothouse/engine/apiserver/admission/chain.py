"""The order of admission.

Plugins that fill in or change run first, in order, on the write's private copy; then the object is validated; then plugins that only
refuse see it as it will be stored. Both may take their time and read the store, which goes on changing meanwhile. What must hold at
the very moment of the commit is a reservation's to say: nothing is awaited between the first of them and the store's compare-and-swap.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pilothouse.engine.apiserver.admission.context import Write


@runtime_checkable
class Mutating(Protocol):
    async def mutate(self, write: Write) -> None:
        """Change `write.value`, or raise ApiError to refuse; does nothing about what does not concern it.

        Called a second time, it does nothing that it has done already.
        """
        ...


@runtime_checkable
class Validating(Protocol):
    async def validate(self, write: Write) -> None:
        """Raise ApiError to refuse."""
        ...


@runtime_checkable
class Reserving(Protocol):
    def reserve(self, write: Write) -> None:
        """Take what the write needs (see `Write.on_release`) and fill it into `write.value`, or raise ApiError.

        Of a dry run, only find out whether it could be taken.
        """
        ...


Plugin = Mutating | Validating | Reserving


class Chain:
    """Plugins by what they do; each in the order given."""

    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        self._mutating = tuple(plugin for plugin in plugins if isinstance(plugin, Mutating))
        self._validating = tuple(plugin for plugin in plugins if isinstance(plugin, Validating))
        self._reserving = tuple(plugin for plugin in plugins if isinstance(plugin, Reserving))

    async def mutate(self, write: Write) -> None:
        """All plugins, and once more when one of them has made a change that others are to look at."""
        for plugin in self._mutating:
            await plugin.mutate(write)
        if write.reinvocation is not None and write.reinvocation.is_wanted:
            write.reinvocation.is_second = True
            for plugin in self._mutating:
                await plugin.mutate(write)

    async def validate(self, write: Write) -> None:
        for plugin in self._validating:
            await plugin.validate(write)

    def reserve(self, write: Write) -> None:
        """Called right before the commit, by one who releases the write in any case."""
        for plugin in self._reserving:
            plugin.reserve(write)

    async def admit(self, write: Write) -> None:
        """Both steps, for what is not stored and has nothing to validate in between. Raises ApiError."""
        await self.mutate(write)
        await self.validate(write)
