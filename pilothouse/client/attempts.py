"""When a request is tried again. Only what cannot have done anything is: a GET whose connection broke, one refused for being too many."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pilothouse.client.credentials import CredentialSource
from pilothouse.client.failures import ConnectionLost
from pilothouse.client.transport import Call
from pilothouse.model.errors import ApiError, Timeout, TooManyRequests, Unauthorized

RESET_TRIES = 3
THROTTLED_TRIES = 5

T = TypeVar("T")


class Attempts:
    """server: as messages name it."""

    def __init__(self, credentials: CredentialSource, server: str) -> None:
        self._credentials = credentials
        self._server = server

    async def persist(self, call: Call, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds, fails for good or the call's time is over."""
        deadline = asyncio.get_running_loop().time() + call.timeout_s
        tries = 0
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    try:
                        return await attempt()
                    except ApiError as error:
                        tries += 1
                        pause_s = self._pause_s(call, error, tries)
                        if pause_s is None or asyncio.get_running_loop().time() + pause_s >= deadline:
                            raise
                    await asyncio.sleep(pause_s)
        except TimeoutError as error:
            raise Timeout(f"{call.method} {call.path}: no answer from {self._server} in {call.timeout_s:g} s") from error

    def _pause_s(self, call: Call, error: ApiError, tries: int) -> float | None:
        """How long to wait before the next try; None when there is to be none."""
        match error:
            case Unauthorized() if self._credentials.renewable and tries == 1:
                self._credentials.forget()
                return 0.0
            case TooManyRequests(retry_after_s=float() | int() as after_s) if tries <= THROTTLED_TRIES:
                return max(after_s, 0.01)
            case ConnectionLost() if call.method == "GET" and tries <= RESET_TRIES:
                return 0.05 * tries
        return None
