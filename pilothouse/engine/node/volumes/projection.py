"""The files of ConfigMap, Secret, downward API and projected volumes, gathered from what they refer to."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pilothouse.engine.node.files.payload import File
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.sources import Sources, Token
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

POD_FILES_BYTES = 64 * 1024 * 1024
"""All pods' files share one tmpfs; no pod may fill it by mounting the same ConfigMap a thousand times."""
PAGE_BYTES = 4096
MOST_REFUSED = 8


class VolumeMissing(Exception):
    """What a volume refers to is not there (yet): the pod waits for it."""


@dataclass(slots=True)
class Room:
    """How much the files of one pod's volumes may still take, in pages as they lie in memory.

    It bounds the work for them as well: each file is counted before anything is made of it. A volume that does not fit leaves its room to
    those after it; when many do not, nothing is gathered any more.
    """

    left_bytes: int = POD_FILES_BYTES
    refused: int = 0

    def take(self, size_bytes: int) -> None:
        """For one file. Raises VolumeMissing when it is too much."""
        self.left_bytes -= max(1, -(-size_bytes // PAGE_BYTES)) * PAGE_BYTES
        self.check()

    def give_back(self, left_bytes: int) -> None:
        """So much was left before the volume that could not be gathered."""
        self.refused += self.left_bytes < 0
        self.left_bytes = left_bytes

    def check(self) -> None:
        if self.left_bytes < 0 or self.refused > MOST_REFUSED:
            limit = POD_FILES_BYTES // 1024**2
            raise VolumeMissing(f"the files of the volumes of this pod take more than {limit} MiB; mount fewer of them")


@dataclass(slots=True)
class Gathered:
    """files: relative path -> file. refresh_at: when a token in it is to be renewed; 0.0: never."""

    files: dict[str, File] = field(default_factory=dict)
    refresh_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Gathers for one pod, once. owner: the user that token files belong to, -1 for root. now: by the clock of the tokens' times.

    room: of all its volumes together.
    """

    sources: Sources
    pod: Object
    allocatable: Object
    host_ips: tuple[str, ...]
    pod_ips: tuple[str, ...]
    tokens: dict[tuple[str, str], Token]
    owner: int
    now: Callable[[], float]
    room: Room
    _contents: dict[tuple[str, str], Mapping[str, bytes]] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        found: str = self.pod["metadata"]["namespace"]
        return found

    async def gather(self, volume: Object) -> Gathered | None:
        """The files of a volume; None for a kind of volume that is not made of files. Raises VolumeMissing, ApiError."""
        if all(volume.get(kind) is None for kind in podspec.READ_ONLY_VOLUMES):
            return None
        before = self.room.left_bytes
        try:
            self.room.check()
            return await self._gathered(volume)
        except VolumeMissing:
            self.room.give_back(before)
            raise

    async def _gathered(self, volume: Object) -> Gathered:
        result = Gathered()
        if source := volume.get("configMap"):
            result.files = await self._configmap(source, source.get("name", ""), _mode(source))
        elif source := volume.get("secret"):
            result.files = await self._secret(source, source.get("secretName", ""), _mode(source))
        elif (source := volume.get("downwardAPI")) is not None:
            result.files = self._downward(source, _mode(source))
        elif (source := volume.get("projected")) is not None:
            await self._projected(volume["name"], source, result)
        return result

    async def _projected(self, name: str, projected: Object, result: Gathered) -> None:
        mode = _mode(projected)
        for source in projected.get("sources") or ():
            if part := source.get("configMap"):
                result.files |= await self._configmap(part, part.get("name", ""), mode)
            elif part := source.get("secret"):
                result.files |= await self._secret(part, part.get("name", ""), mode)
            elif (part := source.get("downwardAPI")) is not None:
                result.files |= self._downward(part, mode)
            elif part := source.get("serviceAccountToken"):
                await self._token(name, part, mode, result)

    async def _configmap(self, source: Object, name: str, mode: int) -> dict[str, File]:
        found = await self.sources.configmap(self.namespace, name)
        if found is None:
            return _absent(source, f'configmap "{name}" not found')
        content = self._content("configmap", name, found.get("data"), found.get("binaryData"))
        return self._selected(source, content, mode, "configmap references non-existent config key: ")

    async def _secret(self, source: Object, name: str, mode: int) -> dict[str, File]:
        found = await self.sources.secret(self.namespace, name)
        if found is None:
            return _absent(source, f'secret "{name}" not found')
        return self._selected(source, self._content("secret", name, {}, found.get("data")), mode, "references non-existent secret key: ")

    def _content(self, kind: str, name: str, plain: Object | None, encoded: Object | None) -> Mapping[str, bytes]:
        """Decoded once, however many volumes and sources name it."""
        known = self._contents.get((kind, name))
        if known is None:
            known = {key: value.encode() for key, value in (plain or {}).items()}
            known |= {key: base64.b64decode(value) for key, value in (encoded or {}).items()}
            self._contents[kind, name] = known
        return known

    def _selected(self, source: Object, content: Mapping[str, bytes], mode: int, missing: str) -> dict[str, File]:
        """All keys, or those that `items` names under the paths that they are given there."""
        items = source.get("items")
        if not items:
            return {key: self._file(value, mode) for key, value in content.items()}
        files: dict[str, File] = {}
        for item in items:
            if item["key"] not in content:
                if source.get("optional"):
                    continue
                raise VolumeMissing(missing + item["key"])
            files[item["path"]] = self._file(content[item["key"]], item["mode"] if item.get("mode") is not None else mode)
        return files

    def _file(self, content: bytes, mode: int, owner: int = -1) -> File:
        self.room.take(len(content))
        return File(content, mode, owner)

    def _downward(self, source: Object, mode: int) -> dict[str, File]:
        files: dict[str, File] = {}
        for item in source.get("items") or ():
            value = self._downward_value(item)
            files[item["path"]] = self._file(value.encode(), item.get("mode") if item.get("mode") is not None else mode)
        return files

    def _downward_value(self, item: Object) -> str:
        if reference := item.get("fieldRef"):
            found = podspec.downward(self.pod, reference["fieldPath"], host_ips=self.host_ips, pod_ips=self.pod_ips)
            return found or ""
        reference = item["resourceFieldRef"]
        container = podspec.container_named(self.pod, reference.get("containerName") or "") or {}
        return podspec.resource_value(container, reference, self.allocatable | podspec.whole_limits(self.pod))

    async def _token(self, volume: str, source: Object, mode: int, result: Gathered) -> None:
        audience = source.get("audience") or ""
        key = (volume, source["path"])
        token = self.tokens.get(key)
        if token is None or token.refresh_at <= self.now():
            try:
                token = await self.sources.token(self.pod, audience, source.get("expirationSeconds") or 3600)
            except ApiError as error:
                if token is None or token.expires_at <= self.now():
                    raise VolumeMissing(f"failed to fetch token: {error.message}") from error
            self.tokens[key] = token
        private = self.owner != -1 or podspec.security(self.pod).get("fsGroup") is not None
        result.files[source["path"]] = self._file(token.text.encode(), 0o600 if private else mode, self.owner)
        result.refresh_at = min(result.refresh_at or token.refresh_at, token.refresh_at)


def _mode(source: Object) -> int:
    found = source.get("defaultMode")
    return 0o644 if found is None else int(found)


def _absent(source: Object, why: str) -> dict[str, File]:
    if source.get("optional"):
        return {}
    raise VolumeMissing(why)
