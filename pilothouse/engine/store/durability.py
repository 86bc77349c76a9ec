"""Waiting for the disk: what answers that were judged on a write still on its way have to wait for."""

import asyncio

from pilothouse.engine.store.errors import StorageFailed


class Durability:
    """committed: the newest revision on disk. A failure takes every revision assigned so far and not committed along."""

    def __init__(self, committed: int) -> None:
        self.committed = committed
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._failed_up_to = 0
        self._failure: StorageFailed | None = None

    async def reached(self, revision: int) -> None:
        """Returns once the revision is on disk. Raises what its write raised; cancelling one waiter leaves the others alone."""
        if revision <= self.committed:
            return
        if self._failure is not None and revision <= self._failed_up_to:
            raise self._failure
        waiting = self._waiting.get(revision)
        if waiting is None:
            waiting = self._waiting[revision] = asyncio.get_running_loop().create_future()
        await asyncio.shield(waiting)

    def commit(self, revision: int) -> None:
        """The revision and all before it are on disk."""
        self.committed = revision
        for reached in [each for each in self._waiting if each <= revision]:
            self._waiting.pop(reached).set_result(None)

    def fail(self, assigned: int, error: StorageFailed) -> None:
        """No revision after the committed one, up to the last assigned one, will ever be on disk."""
        self._failed_up_to, self._failure = assigned, error
        for waiting in self._waiting.values():
            waiting.set_exception(error)
            waiting.exception()  # Its waiter may have gone.
        self._waiting.clear()
