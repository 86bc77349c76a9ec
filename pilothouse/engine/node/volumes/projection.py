"""The files of ConfigMap, Secret, downward API and projected volumes, gathered from what they refer to."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pilothouse.engine.node.files.payload import File
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.sources import Sources, Token
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object


class VolumeMissing(Exception):
    """What a volume refers to is not there (yet): the pod waits for it."""


@dataclass(slots=True)
class Gathered:
    """files: relative path -> file. refresh_at: when a token in it is to be renewed; 0.0: never."""

    files: dict[str, File] = field(default_factory=dict)
    refresh_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Gathers for one pod. owner: the user that token files belong to, -1 for root. now: by the clock of the tokens' times."""

    sources: Sources
    pod: Object
    allocatable: Object
    host_ips: tuple[str, ...]
    pod_ips: tuple[str, ...]
    tokens: dict[tuple[str, str], Token]
    owner: int
    now: Callable[[], float]

    @property
    def namespace(self) -> str:
        found: str = self.pod["metadata"]["namespace"]
        return found

    async def gather(self, volume: Object) -> Gathered | None:
        """The files of a volume; None for a kind of volume that is not made of files."""
        result = Gathered()
        if source := volume.get("configMap"):
            result.files = await self._configmap(source, source.get("name", ""), _mode(source))
        elif source := volume.get("secret"):
            result.files = await self._secret(source, source.get("secretName", ""), _mode(source))
        elif (source := volume.get("downwardAPI")) is not None:
            result.files = self._downward(source, _mode(source))
        elif (source := volume.get("projected")) is not None:
            await self._projected(volume["name"], source, result)
        else:
            return None
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
        content = {key: value.encode() for key, value in (found.get("data") or {}).items()}
        content |= {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
        return _selected(source, content, mode, "configmap references non-existent config key: ")

    async def _secret(self, source: Object, name: str, mode: int) -> dict[str, File]:
        found = await self.sources.secret(self.namespace, name)
        if found is None:
            return _absent(source, f'secret "{name}" not found')
        content = {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
        return _selected(source, content, mode, "references non-existent secret key: ")

    def _downward(self, source: Object, mode: int) -> dict[str, File]:
        files: dict[str, File] = {}
        for item in source.get("items") or ():
            value = self._downward_value(item)
            files[item["path"]] = File(value.encode(), item.get("mode") if item.get("mode") is not None else mode)
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
        result.files[source["path"]] = File(token.text.encode(), 0o600 if private else mode, self.owner)
        result.refresh_at = min(result.refresh_at or token.refresh_at, token.refresh_at)


def _mode(source: Object) -> int:
    found = source.get("defaultMode")
    return 0o644 if found is None else int(found)


def _absent(source: Object, why: str) -> dict[str, File]:
    if source.get("optional"):
        return {}
    raise VolumeMissing(why)


def _selected(source: Object, content: Mapping[str, bytes], mode: int, missing: str) -> dict[str, File]:
    """All keys, or those that `items` names under the paths that they are given there."""
    items = source.get("items")
    if not items:
        return {key: File(value, mode) for key, value in content.items()}
    files: dict[str, File] = {}
    for item in items:
        if item["key"] not in content:
            if source.get("optional"):
                continue
            raise VolumeMissing(missing + item["key"])
        files[item["path"]] = File(content[item["key"]], item["mode"] if item.get("mode") is not None else mode)
    return files
