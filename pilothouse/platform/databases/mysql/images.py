"""The images that members run: made or looked up in the background, since that may take a minute, and known by their full version.

An instance keeps the image that it has until another version is asked for.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.model.errors import ApiError
from pilothouse.oci.packages.programs import Image, ImageError

log = structlog.get_logger("platform.databases")

AGAIN_S = 30.0
"""After a failure."""
LOOKING_S = 2.0
"""Until then an image is being looked for, after that it is being made."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an instance is to run. version: "" for any. image: its name in a registry; "" for one that the platform makes."""

    flavour: str
    version: str = ""
    image: str = ""


Ensure = Callable[[Asked], Awaitable[Image]]
"""The image, once it can be had. Raises ImageError, ApiError."""


class Images:
    """changed: called with the keys of the instances that waited, once there is an image or a reason why there is none."""

    def __init__(self, ensure: Ensure, changed: Callable[[str], None]) -> None:
        self._ensure = ensure
        self._changed = changed
        self._found: dict[Asked, Image | ImageError] = {}
        self._waiting: dict[Asked, set[str]] = {}
        self._asked_at: dict[Asked, float] = {}
        self._tasks: TaskSet | None = None

    def get(self, asked: Asked, key: str) -> Image | None:
        """None while it is being made; the instance of that key is told of the end. Raises ImageError."""
        found = self._found.get(asked)
        if isinstance(found, ImageError):
            raise found
        if found is None:
            is_first = asked not in self._waiting
            self._waiting.setdefault(asked, set()).add(key)
            if is_first:
                self._asked_at[asked] = asyncio.get_running_loop().time()
                self._tasks = self._tasks or TaskSet()
                self._tasks.start(self._make(asked))
        return found

    def is_making(self, asked: Asked) -> bool:
        """Whether it takes longer than to find one that is there."""
        asked_at = self._asked_at.get(asked)
        return asked_at is not None and asyncio.get_running_loop().time() - asked_at > LOOKING_S

    async def close(self) -> None:
        tasks, self._tasks = self._tasks, None
        self._waiting.clear()
        if tasks is not None:
            await tasks.close()

    async def _make(self, asked: Asked) -> None:
        try:
            self._found[asked] = await self._ensure(asked)
        except (ImageError, ApiError) as error:
            log.warning("no image", flavour=asked.flavour, version=asked.version, image=asked.image, error=str(error))
            self._found[asked] = ImageError(str(error))
            asyncio.get_running_loop().call_later(AGAIN_S, self._found.pop, asked, None)
        for key in self._waiting.pop(asked, ()):
            self._changed(key)


def satisfies(version: str, asked: str) -> bool:
    """Whether a full version is one of those that were asked for: 10.11.18 is for 10.11, and everything is for ""."""
    return not asked or version == asked or version.startswith(f"{asked}.") or bool(re.fullmatch(re.escape(asked) + r"[-+~].*", version))
