"""What a call costs, in CPU time of the event loop's thread and of all threads, and whether that is within a request's budget.

CPU time of the loop's thread counts all that the loop does until the answer is there, also what others do on account of the call.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import NamedTuple

from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.errors import ApiError
from pilothouse.model.json import dumps
from tests.cpu import slowness
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.budget.calls import NAMESPACE, name_of
from tests.engine.apiserver.budget.small import SMALL

LOOP_S, THREADS_S = 0.1, 0.5
"""CPU time of the event loop's thread, and of all threads: what is worked out beside the loop may take longer."""
ANSWER_BYTES = 1_000_000
_ATTEMPTS = 3
"""What is too much each time is the call's doing; once may be the machine's."""


class Cost(NamedTuple):
    """Times are those of the machine that the budget is meant for. trouble: a fault of the server's own."""

    loop_s: float
    threads_s: float
    answer_bytes: int
    trouble: str = ""

    @property
    def is_within(self) -> bool:
        is_short = self.answer_bytes < ANSWER_BYTES and not self.trouble
        return is_short and self.loop_s < LOOP_S and self.threads_s < THREADS_S

    def on_faster(self, slowness: float) -> "Cost":
        """The same on a machine so many times as fast."""
        return self._replace(loop_s=self.loop_s / slowness, threads_s=self.threads_s / slowness)

    def __str__(self) -> str:
        times = f"{self.loop_s * 1000:.0f} ms of the loop, {self.threads_s * 1000:.0f} ms in all"
        return self.trouble or f"{times}, {self.answer_bytes} bytes"


async def cost(api: Api, call: Call) -> Cost:
    loop_s, threads_s = time.thread_time(), time.process_time()
    try:
        answer = await api.transport.call(call)
    except ApiError as error:
        answer = error.to_status()
    loop_s, threads_s = time.thread_time() - loop_s, time.process_time() - threads_s
    message = str(answer.get("message", "")) if isinstance(answer, dict) else ""
    found = Cost(loop_s, threads_s, len(dumps(answer)), message if message.startswith("Internal error") else "")
    # WHY only then: measuring the machine takes as long as most calls do.
    return found if found.is_within else found.on_faster(slowness())


async def cost_of(api: Api, call: Call, restore: Callable[[], Awaitable[None]] | None = None) -> Cost:
    """Of a call that is made again when it is not within its budget: the least. restore: awaited before each attempt."""
    costs: list[Cost] = []
    for _ in range(_ATTEMPTS):
        if restore is not None:
            await restore()
        costs.append(await cost(api, call))
        if costs[-1].is_within or costs[-1].trouble:
            break
    return min(costs, key=lambda each: (not each.is_within, each.loop_s))


class Judge:
    """Calls of one user, each made when the resource has one small object and no others."""

    def __init__(self, user: Api, admin: Api) -> None:
        self._user = user
        self._admin = admin
        self.costs: list[tuple[str, Cost]] = []
        """The best of each call's attempts, for those who want to know."""

    async def exceeded(self, served: ServedResource, asked: Iterable[tuple[str, Call]]) -> list[str]:
        """What is not within its budget: call and cost."""
        small = await self._small(served)
        found = []
        for title, call in asked:
            why = await cost_of(self._user, call, partial(self._restore, served, small))
            self.costs.append((title, why))
            if not why.is_within:
                found.append(f"{title}: {why}")
        return found

    async def _small(self, served: ServedResource) -> object:
        """The small object as it is stored."""
        if served.group_resource not in SMALL:
            return None
        store, key = self._admin.server.backend.store, _key(served)
        if store.latest(key) is None:
            path = served.resource.path(NAMESPACE if served.resource.namespaced else "")
            await self._admin.post(path, SMALL[served.group_resource])
        record = store.latest(key)
        assert record is not None
        return record.value

    async def _restore(self, served: ServedResource, small: object) -> None:
        if not isinstance(small, dict):
            return
        store, key = self._admin.server.backend.store, _key(served)
        current = store.latest(key)
        if current is None:
            await store.create(key, small)
        elif _without_version(current.value) != _without_version(small):
            await store.update(key, small, expected=current.revision)
        await _drop(self._admin, (record.key for record in store.scan(served.prefix) if record.key != key and len(record.raw) > 10_000))


def _key(served: ServedResource) -> str:
    return served.key(NAMESPACE if served.resource.namespaced else "", name_of(served))


def _without_version(value: dict[str, object]) -> object:
    metadata = value["metadata"]
    assert isinstance(metadata, dict)
    return value | {"metadata": {name: each for name, each in metadata.items() if name != "resourceVersion"}}


async def _drop(api: Api, keys: Iterable[str]) -> None:
    store = api.server.backend.store
    for key in list(keys):
        record = store.latest(key)
        if record is not None:
            await store.delete(key, expected=record.revision)
