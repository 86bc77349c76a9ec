"""The loop around a reconciler: keys in, `reconcile(key)` until the world is as wanted, back-off when it fails.

Level-triggered: a key says only that something about an object may have changed. What is to be done is found by comparing.
One of the three places that catch every exception: a reconciler's bug is logged and counted, and the key comes again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import structlog

from pilothouse.aio.meters import Counter as Meter
from pilothouse.aio.tasks import scope
from pilothouse.client.informer import Informer
from pilothouse.client.outcome import Retry, Stop
from pilothouse.client.queue import WorkQueue
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, Conflict, Timeout, TooManyRequests, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

Reconcile = Callable[[str], Awaitable[float | None]]
KeysOf = Callable[[Object], str | Iterable[str] | None]

log = structlog.get_logger("client.controller")

RECONCILES = Meter("pilothouse_controller_reconciles_total", "Rounds of reconcilers by their outcome.", "controller", "outcome")
SLOWED = Meter("pilothouse_controller_slowed_total", "How often a key used up its budget of rounds and was slowed down.", "controller")

# A stale cache, which the next look finds fresher; a server that is away.
STALE = (Conflict, AlreadyExists)
AWAY = (Unavailable, Timeout, TooManyRequests)


class Controller:
    """reconcile: returns after how many seconds it wants to look again, or None. Cancelled after `deadline_s`.

    The queue lets a key that comes too often wait (`queue.py`); that is logged and counted by controller.
    `outcomes` counts "done", "retry", "stop", "stale" and "error".
    """

    def __init__(
        self, name: str, reconcile: Reconcile, *, workers: int = 1, deadline_s: float = 300.0, queue: WorkQueue | None = None
    ) -> None:
        self.name = name
        self.queue = queue or WorkQueue()
        self.outcomes: Counter[str] = Counter()
        self._reconcile = reconcile
        self._workers = workers
        self._deadline_s = deadline_s
        self._informers: list[Informer] = []
        self.queue.on_slowed = self._slowed

    def watches(self, informer: Informer, keys_of: KeysOf = meta.key) -> None:
        """Each change in the informer adds the keys of the object before and after. Work begins when the informer is synced."""

        def changed(old: Object | None, new: Object | None) -> None:
            for obj in (old, new):
                if obj is not None:
                    self._enqueue(keys_of(obj))

        self._informers.append(informer)
        informer.on_change(changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Reconcile until cancelled. The informers run elsewhere."""
        for informer in self._informers:
            await informer.wait_synced()
        if ready is not None:
            ready.set()
        async with scope() as tasks:
            for number in range(self._workers):
                tasks.spawn(self._work(), name=f"controller {self.name} {number}")

    def _enqueue(self, keys: str | Iterable[str] | None) -> None:
        if keys is None:
            return
        if isinstance(keys, str):
            self.queue.add(keys)
            return
        for key in keys:
            self.queue.add(key)

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._once(key)
            finally:
                self.queue.done(key)

    async def _once(self, key: str) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                again_s = await self._reconcile(key)
        except Retry as retry:
            self._note("retry")
            again_s = self._again(key, retry)
            log.info("waits", controller=self.name, key=key, why=retry.why, again_s=again_s)
        except Stop as stop:
            self._note("stop")
            log.warning("stopped", controller=self.name, key=key, why=stop.why)
            self.queue.forget(key)
        except STALE:
            self._note("stale")
            self.queue.add_backoff(key)
        except Exception as error:
            self._failed(key, error)
        else:
            self._done(key, again_s)

    def _again(self, key: str, retry: Retry) -> float:
        if retry.grows:
            return round(self.queue.add_backoff(key, retry.after_s), 3)
        self.queue.add_after(key, retry.after_s)
        return retry.after_s

    def _note(self, outcome: str) -> None:
        self.outcomes[outcome] += 1
        RECONCILES.add(self.name, outcome)

    def _slowed(self, key: str, pause_s: float) -> None:
        SLOWED.add(self.name)
        log.warning("slowed down", controller=self.name, key=key, pause_s=round(pause_s, 3), why="it was reconciled too often")

    def _done(self, key: str, again_s: float | None) -> None:
        self._note("done")
        self.queue.forget(key)
        if again_s is not None:
            self.queue.add_after(key, again_s)

    def _failed(self, key: str, error: Exception) -> None:
        self._note("error")
        delay_s = self.queue.add_backoff(key)
        if isinstance(error, ApiError):
            log.warning("reconcile failed", controller=self.name, key=key, error=error.message, retry_s=round(delay_s, 3))
        else:
            log.error("reconcile failed", controller=self.name, key=key, retry_s=round(delay_s, 3), exc_info=error)


def owner_key(resource: Resource) -> KeysOf:
    """For `watches`: the key of the object of that resource which controls the object that changed."""

    def key_of(obj: Object) -> str | None:
        owner = meta.controller_of(obj)
        if owner is None or owner["kind"] != resource.kind or owner["apiVersion"].rpartition("/")[0] != resource.group:
            return None
        namespace = meta.namespace(obj)
        return f"{namespace}/{owner['name']}" if resource.namespaced and namespace else str(owner["name"])

    return key_of
