"""The image volumes of one pod: their images are pulled in the background, as those of its containers are, then mounted."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.engine.node.images.credentials import credentials
from pilothouse.engine.node.images.reference import is_reference, not_pulled, pull_policy
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.state import Waiting
from pilothouse.engine.node.runtime.seam import Image, RuntimeFailure
from pilothouse.engine.node.status.pod import PULL_BACKOFF, PULL_FAILED
from pilothouse.engine.node.work.context import Handle
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

PULL_FIRST_S, PULL_MOST_S = 10.0, 300.0


class _Missing(Exception):
    """The image cannot be had (yet), for the reason that a container would give whose own image it were."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _FailedPull:
    why: str
    failures: int
    retry_at: float


@dataclass(slots=True)
class ImagePaths:
    """paths: volume name -> where it is. failures, missing: sentences of what could not be mounted, and of images that are not here yet."""

    paths: dict[str, Path] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class ImageVolumes:
    def __init__(self, handle: Handle, secrets: Callable[[], Awaitable[list[Object]]]) -> None:
        self._handle = handle
        self._context = handle.context
        self._secrets = secrets
        self._pulling: set[str] = set()
        self._pulled: set[str] = set()
        self._failed: dict[str, _FailedPull] = {}

    async def prepare(self) -> ImagePaths:
        """Mounts what is here and asks for what is not. Raises RuntimeFailure when the runtime does not answer."""
        found, views, uid = ImagePaths(), self._context.volumes.views, self._handle.uid
        for volume in podspec.image_volumes(self._handle.object):
            name = volume["name"]
            try:
                path = await views.mounted(uid, name)
                if path is None:
                    image = await self._image(volume["image"])
                    if image is None:
                        found.missing.append(f"image {volume['image']['reference']} is being pulled")
                        continue
                    self._handle.state.image_problems.pop(name, None)
                    path = await views.mount(uid, name, image)
                found.paths[name] = path
            except _Missing as missing:
                found.missing.append(str(missing))
                self._waits(name, missing.reason, str(missing))
            except (OSError, RuntimeFailure) as error:
                why = error.why if isinstance(error, RuntimeFailure) else str(error)
                found.failures.append(f'MountVolume.SetUp failed for volume "{name}" : {why}')
        return found

    async def _image(self, source: Object) -> Image | None:
        """None: it is being pulled."""
        reference = source.get("reference") or ""
        if not is_reference(reference):
            why = f'couldn\'t parse image name "{reference}": invalid reference format'
            raise _Missing("InvalidImageName", why)
        policy = source.get("pullPolicy") or pull_policy({"image": reference})
        present = await self._context.images.present(reference)
        if present is not None and (
            reference in self._pulled or (policy != "Always" and await self._context.images.may_use(reference, present, self._secrets))
        ):
            return present
        if policy == "Never":
            raise _Missing("ErrImageNeverPull", not_pulled(f'image "{reference}"', is_here=present is not None))
        if reference in self._pulling:
            return None
        failed = self._failed.get(reference)
        if failed is not None and self._context.now() < failed.retry_at:
            raise _Missing(PULL_BACKOFF, f'Back-off pulling image "{reference}": {PULL_FAILED}: {failed.why}')
        self._pulling.add(reference)
        self._handle.spawn(self._pull(reference), f"pulling the volume's image {reference}")
        return None

    async def _pull(self, reference: str) -> None:
        self._handle.say("Normal", "Pulling", f'Pulling image "{reference}"')
        try:
            pulled = await self._context.images.pull(reference, credentials(reference, await self._secrets()))
        except (RuntimeFailure, ApiError) as error:
            self._fails(reference, error.why if isinstance(error, RuntimeFailure) else error.message)
        else:
            self._pulled.add(reference)
            self._failed.pop(reference, None)
            self._handle.say("Normal", "Pulled", f'Successfully pulled image "{reference}" in {pulled.took_s:.3f}s')
            self._handle.refresh()
        finally:
            self._pulling.discard(reference)

    def _fails(self, reference: str, why: str) -> None:
        before = self._failed.get(reference)
        failures = 0 if before is None else before.failures
        pause_s: float = min(PULL_MOST_S, PULL_FIRST_S * 2 ** min(failures, 16))
        self._failed[reference] = _FailedPull(why, failures + 1, self._context.now() + pause_s)
        for volume in podspec.image_volumes(self._handle.object):
            if volume["image"].get("reference") == reference:
                self._waits(volume["name"], PULL_FAILED, f'Failed to pull image "{reference}": {why}')
        self._handle.changed()

    def _waits(self, volume: str, reason: str, why: str) -> None:
        """The containers that mount the volume say so; the pod's events do once."""
        problems, problem = self._handle.state.image_problems, Waiting(reason, f'volume "{volume}": {why}')
        if problems.get(volume) != problem:
            problems[volume] = problem
            type, said = ("Normal", "BackOff") if reason == PULL_BACKOFF else ("Warning", "Failed")
            self._handle.say(type, said, why)
