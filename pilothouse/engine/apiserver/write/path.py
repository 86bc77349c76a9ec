"""The write path: every stage between a decoded request and the store, in one order for all verbs.

make (the verb's: decode, default, place) -> managers of fields -> mutating admission -> prepare -> validate -> validating admission
-> convert to what is stored -> reserve -> commit.

Making and judging a large object takes long, and is done beside the event loop. Admission may await whatever it needs: the commit
compares and swaps, and when somebody else was quicker, everything is done again from `make` on, with what is stored by then. Reserving
and committing are one step without an await in between, in a task of their own that nobody cancels: a client that goes away, or a
deadline, ends a write before it or not at all, and what has been reserved is given back by the commit's outcome.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from pilothouse.aio.beside import Beside
from pilothouse.aio.completion import completed
from pilothouse.engine.apiserver.admission.chain import Chain
from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.write.change import Change, Outcome
from pilothouse.engine.store.errors import KeyExists, Mismatch
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object

ATTEMPTS = 10


class Follower(Protocol):
    """A reconciler that follows the store."""

    async def caught_up(self, write: Write) -> None:
        """Returns once it has dealt with a write that is committed, or after a moment: an answer must not hang on it."""
        ...


class WritePath:
    """followers: by the name under which kinds speak of them (`Kind.followed_by`)."""

    def __init__(self, store: Store, admission: Chain, followers: Mapping[str, Follower], beside: Beside) -> None:
        self._store = store
        self._admission = admission
        self._followers = followers
        self._beside = beside

    async def write(self, change: Change) -> Outcome:
        """Raises ApiError."""
        attempt = 1
        while True:
            write = await change.begin(self._store, self._beside)
            await self._admission.mutate(write)
            await self._prepare(change, write)
            await self._admission.validate(write)
            stored = None if write.value is None else await write.served.stored(write.value)
            try:
                outcome = await completed(self._commit(change, write, stored))
                break
            except (Mismatch, KeyExists) as error:
                change.lost(write, error, is_last=attempt == ATTEMPTS)
            attempt += 1
        if not write.dry_run and (name := write.served.kind.followed_by):
            await self._followers[name].caught_up(write)
        if write.served.shape is None:
            return outcome
        (shown,) = await write.served.shown([outcome.record])
        return outcome._replace(record=shown)

    async def _prepare(self, change: Change, write: Write) -> None:
        context = Context(datetime.now(UTC), write.subresource, write.user)
        await self._beside.run(lambda: change.prepare(write, context), is_large=change.is_large)

    async def _commit(self, change: Change, write: Write, stored: Object | None) -> Outcome:
        try:
            self._admission.reserve(write)
            return await change.commit(self._store, write, stored)
        finally:
            write.release()
