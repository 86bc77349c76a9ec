"""The fairness stage: a request whose user is known waits for its turn before it costs an authorization.

Over HTTP and in process alike. A watch keeps its seat until it follows the store, or for `BEGINNING_S`: its reader may take its first
objects as slowly as it wants. Other long requests keep theirs only until they begin; what is exempt (upstream's `exempt` level) passes.
"""

import asyncio
from typing import Any

from pilothouse.aio import beside
from pilothouse.aio.stopwatch import timed
from pilothouse.engine.apiserver.chain.routes import is_long_running
from pilothouse.engine.apiserver.chain.stage import Handler
from pilothouse.engine.apiserver.fairness.control import Fairness
from pilothouse.engine.apiserver.request.request import ApiRequest

BEGINNING_S = 10.0


class FairlyQueued:
    def __init__(self, fairness: Fairness) -> None:
        self._fairness = fairness

    async def __call__(self, request: ApiRequest, proceed: Handler) -> Any:
        """Raises TooManyRequests."""
        fairness, user, target = self._fairness, request.user, request.target
        schema, level = fairness.classify(user, request.verb, target)
        seat = await fairness.enter(schema, level, user, target)
        if seat is None:
            return await proceed(request)
        request.seat = seat
        release = None
        paying, holding = beside.charge.set(seat.charge_beside), beside.holder.set(seat.flow)
        try:
            if request.verb == "watch":
                release = asyncio.get_running_loop().call_later(BEGINNING_S, seat.release)
            elif is_long_running(request):
                seat.release()
                return await proceed(request)
            return await timed(_started(proceed, request), seat.charge, fairness.turns.clock)
        finally:
            seat.release()
            if release is not None:
                release.cancel()
            beside.charge.reset(paying)
            beside.holder.reset(holding)


async def _started(proceed: Handler, request: ApiRequest) -> Any:
    return await proceed(request)
