"""Images on the node: which are there, how the others get here, and which go when space is short.

Pulls of the same image are one pull. Failures of a pull are remembered by the pods that
wait for it, not here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from pilothouse.aio.clock import Steady
from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.node.images.collection import Seen, candidates
from pilothouse.engine.node.images.credentials import Credential, credentials
from pilothouse.engine.node.images.records import PullRecords
from pilothouse.engine.node.runtime.seam import Image, Runtime, RuntimeFailure
from pilothouse.model.json import Object

log = structlog.get_logger("node.images")


@dataclass(frozen=True, slots=True)
class Pulled:
    """A pull that has succeeded."""

    image: Image
    took_s: float


class ImageStore:
    """folder: where it is noted by whose credentials images were pulled. clock: by which it decides how old an image is."""

    def __init__(self, runtime: Runtime, folder: Path, clock: Steady) -> None:
        self._runtime = runtime
        self._clock = clock
        self._pulls: dict[tuple[str, ...], asyncio.Task[Pulled | RuntimeFailure]] = {}
        self._tasks = TaskSet()
        self._seen = Seen()
        self._records = PullRecords(folder)
        self.used_at: dict[str, float] = {}

    async def open(self) -> None:
        await self._records.open()

    async def present(self, image: str) -> Image | None:
        """The image, when the node has it. Always asked for anew: a tag may have moved, and the answer takes a millisecond."""
        found = await self._runtime.image(image)
        if found is not None:
            self.used_at[found.id] = self._clock()
        return found

    async def may_use(self, image: str, found: Image, secrets: Callable[[], Awaitable[list[Object]]]) -> bool:
        """Whether a pod with these pull secrets may use what is here without a pull of its own."""
        if not self._records.needs_credentials(image, found):
            return True
        return await self._records.admits(image, found.id, credentials(image, await secrets()))

    async def pull(self, image: str, shown: Sequence[Credential]) -> Pulled:
        """Raises RuntimeFailure with the runtime's reason. A pull under way is joined by those alone who have the same credentials."""
        key = (image, *(each.hash for each in shown))
        task = self._pulls.get(key)
        if task is None:
            task = self._pulls[key] = self._tasks.start(self._pull(image, shown), name=f"pull of {image}")
            task.add_done_callback(lambda _: self._pulls.pop(key, None))
        ended = await asyncio.shield(task)
        if isinstance(ended, RuntimeFailure):
            raise ended
        return ended

    async def _pull(self, image: str, shown: Sequence[Credential]) -> Pulled | RuntimeFailure:
        """The failure is a result: whoever has asked may be gone, and then nobody takes an exception."""
        began = time.monotonic()
        try:
            before = await self._runtime.image(image)
            await self._records.begin(image, "" if before is None else before.id)
        except RuntimeFailure as error:
            return error
        except OSError as error:
            return RuntimeFailure("PullImage", f"the pull cannot be noted, so the image could serve others: {error}")
        found = await self._pull_noted(image, shown)
        if isinstance(found, Image):
            await self._records.end(image, found.id)
            return Pulled(found, time.monotonic() - began)
        try:
            now = await self._runtime.image(image)
        except RuntimeFailure:
            await self._records.end(image, None)
        else:
            await self._records.end(image, "" if now is None else now.id)
        return found

    async def _pull_noted(self, image: str, shown: Sequence[Credential]) -> Image | RuntimeFailure:
        failure: RuntimeFailure | None = None
        for each in shown or (None,):
            try:
                await self._runtime.pull(image, None if each is None else each.auth)
                found = await self.present(image)
            except RuntimeFailure as error:
                failure = error
                continue
            if found is not None:
                await self._records.pulled(image, found.id, each)
                return found
        return failure or RuntimeFailure("PullImage", f"{image} is not there after it was pulled")

    async def close(self) -> None:
        await self._tasks.close()

    async def collect(self, in_use: set[str], free_bytes: int, *, min_age_s: float) -> list[Image]:
        """Removes images that nothing uses until `free_bytes` are freed; returns what went. One that cannot be removed leaves the others.

        in_use: references of what must stay. min_age_s: since an image was first seen here.
        """
        images, now = await self.look(), self._clock()
        removed: list[Image] = []
        for image in candidates(images, self._seen.first, self.used_at, in_use, now, min_age_s):
            if free_bytes <= 0:
                break
            try:
                await self._runtime.remove_image(image.id)
            except RuntimeFailure as error:
                log.warning("image not removed", image=next(iter(image.tags), image.id), why=error.why)
                continue
            removed.append(image)
            free_bytes -= image.size_bytes
        return removed

    async def look(self) -> list[Image]:
        """All that are there. Notes which these are, by when they are old enough to go, and forgets what is known of others."""
        known = self._records.known()
        images = await self._runtime.images()
        self._seen.note(images, self._clock())
        there = {image.id for image in images}
        self.used_at = {id: at for id, at in self.used_at.items() if id in there}
        await self._records.forget({id: record for id, record in known.items() if id not in there})
        await self._records.forget_unreadable(there)
        return images
