"""Images on the node: which are there, how the others get here, and which go when space is short.

Pulls of the same image are one pull. Failures of a pull are remembered by the pods that
wait for it, not here.
"""

import asyncio
import base64
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.engine.node.images.collection import Seen, candidates
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import Image, Runtime, RuntimeFailure
from pilothouse.model.json import JSONError, Object, loads

log = structlog.get_logger("node.images")

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(rf"^(?:({_DOMAIN})/)?{_NAME}(?:/{_NAME})*(?::[\w][\w.-]{{0,127}})?(?:@[A-Za-z][\w+.-]*:[0-9a-fA-F]{{32,}})?$")
DEFAULT_DOMAIN = "docker.io"


def is_reference(image: str) -> bool:
    return bool(_REFERENCE.match(image)) and len(image) <= 512


def domain_of(image: str) -> str:
    """The registry that an image is pulled from."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else DEFAULT_DOMAIN


def pull_policy(container: Object) -> str:
    given = container.get("imagePullPolicy")
    if given:
        return str(given)
    image = container["image"]
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    return "Always" if tag in ("", "latest") and "@" not in image else "IfNotPresent"


@dataclass(frozen=True, slots=True)
class Pulled:
    """A pull that has succeeded."""

    image: Image
    took_s: float


class ImageStore:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pulls: dict[tuple[str, ...], asyncio.Task[Pulled | RuntimeFailure]] = {}
        self._tasks = TaskSet()
        self._seen = Seen()
        self.used_at: dict[str, float] = {}

    async def present(self, image: str) -> Image | None:
        """The image, when the node has it. Always asked for anew: a tag may have moved, and the answer takes a millisecond."""
        found = await self._runtime.image(image)
        if found is not None:
            self.used_at[found.id] = time.time()
        return found

    async def pull(self, image: str, auths: Sequence[api.AuthConfig]) -> Pulled:
        """Raises RuntimeFailure with the runtime's reason. A pull under way is joined by those alone who have the same credentials."""
        key = (image, *(f"{auth.username}\0{auth.password}\0{auth.identity_token}" for auth in auths))
        task = self._pulls.get(key)
        if task is None:
            task = self._pulls[key] = self._tasks.start(self._pull(image, auths), name=f"pull of {image}")
            task.add_done_callback(lambda _: self._pulls.pop(key, None))
        ended = await asyncio.shield(task)
        if isinstance(ended, RuntimeFailure):
            raise ended
        return ended

    async def _pull(self, image: str, auths: Sequence[api.AuthConfig]) -> Pulled | RuntimeFailure:
        """The failure is a result: whoever has asked may be gone, and then nobody takes an exception."""
        began = time.monotonic()
        failure: RuntimeFailure | None = None
        for auth in auths or (None,):
            try:
                await self._runtime.pull(image, auth)
                found = await self.present(image)
            except RuntimeFailure as error:
                failure = error
                continue
            if found is not None:
                return Pulled(found, time.monotonic() - began)
        return failure or RuntimeFailure("PullImage", f"{image} is not there after it was pulled")

    async def close(self) -> None:
        await self._tasks.close()

    async def collect(self, in_use: set[str], free_bytes: int, *, now: float, min_age_s: float) -> list[Image]:
        """Removes images that nothing uses until `free_bytes` are freed; returns what went. One that cannot be removed leaves the others.

        in_use: references of what must stay. min_age_s: since an image was first seen here.
        """
        images = await self._runtime.images()
        self._seen.note(images, now)
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

    async def look(self, now: float) -> None:
        """Notes which images are there, by when they are old enough to go."""
        self._seen.note(await self._runtime.images(), now)


def credentials(image: str, secrets: Sequence[Object]) -> list[api.AuthConfig]:
    """What the pull secrets say about an image's registry, in their order."""
    domain = domain_of(image)
    wanted = {domain, f"https://{domain}", f"http://{domain}"}
    if domain == DEFAULT_DOMAIN:
        wanted |= {"https://index.docker.io/v1/", "index.docker.io"}
    found: list[api.AuthConfig] = []
    for secret in secrets:
        for server, entry in _auths(secret).items():
            if server in wanted or server.rstrip("/") in wanted or image.startswith(server.removeprefix("https://") + "/"):
                found.append(_auth(entry))
    return found


def _auths(secret: Object) -> dict[str, Object]:
    """Server -> entry. What a user has written there is any JSON: what is no entry is left out."""
    data = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in data:
            config = loads(base64.b64decode(data[".dockerconfigjson"]))
            found = config.get("auths") if isinstance(config, dict) else None
        else:
            found = loads(base64.b64decode(data.get(".dockercfg", "")))
    except (JSONError, ValueError):
        return {}
    return {server: entry for server, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}


def _auth(entry: Object) -> api.AuthConfig:
    username, password, token = (_text(entry.get(name)) for name in ("username", "password", "identitytoken"))
    if not username:
        username, _, password = _decoded(_text(entry.get("auth"))).partition(":")
    return api.AuthConfig(username=username, password=password, identity_token=token)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _decoded(auth: str) -> str:
    try:
        return base64.b64decode(auth).decode(errors="replace")
    except ValueError:
        return ""
