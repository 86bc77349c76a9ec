"""Frees what no app, database, build or pod needs any more: first its tags, then the blobs that no tag reaches.

What is young stays, whatever refers to it: a source is uploaded before the App that names it exists. So does the newest version of
what new databases are given.
"""

import asyncio
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from pilothouse.aio.process import run
from pilothouse.client.client import Client
from pilothouse.model import kinds
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.oci.packages import tags as versions
from pilothouse.oci.registry import Registry
from pilothouse.platform.registry.server import PROGRAM, RegistryConfig, RegistryServer

log = structlog.get_logger("platform.registry")

APPS = Resource("apps.pilothouse.dev", "v1", "apps", "App", custom=True)
BUILDS = Resource("builds.pilothouse.dev", "v1", "builds", "Build", custom=True)
MYSQLS = Resource("databases.pilothouse.dev", "v1", "mysqls", "MySQL", custom=True)
YOUNG_S = 3600.0
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MANAGED = ("apps/", "sources/", "bases/ready", versions.REPOSITORIES)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag in the registry's storage; digest: of its manifest."""

    repository: str
    name: str
    digest: str
    age_s: float


def tags(storage: Path, now: float) -> Iterator[Tag]:
    """Every tag of the repositories that the platform fills by itself."""
    root = storage / "docker/registry/v2/repositories"
    for link in root.glob("**/_manifests/tags/*/current/link"):
        repository = link.relative_to(root).as_posix().partition("/_manifests/")[0]
        if repository.startswith(_MANAGED):
            yield Tag(repository, link.parent.parent.name, link.read_text().strip(), now - link.stat().st_mtime)


def references(objects: Iterable[Any]) -> set[str]:
    """Every digest and every image name that occurs anywhere in the objects."""
    found: set[str] = set()
    waiting = list(objects)
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and ("/" in value or "sha256:" in value):
            found.add(value)
            found.update(_DIGEST.findall(value))
    return found


def unreferenced(all_tags: Iterable[Tag], referenced: set[str], address: str, artifacts: dict[str, set[str]]) -> list[Tag]:
    """Tags that nothing refers to, by manifest, by name or (a source's artifact) by a layer. artifacts: manifest -> its layers."""

    def is_needed(tag: Tag) -> bool:
        name = f"{address}/{tag.repository}:{tag.name}"
        return tag.digest in referenced or name in referenced or bool(artifacts.get(tag.digest, set()) & referenced)

    found = list(all_tags)
    newest = current(found)
    gone = [tag for tag in found if tag.age_s > YOUNG_S and tag not in newest and not is_needed(tag)]
    # Tags are removed with their manifest, which a tag that stays may share.
    shared = {(tag.repository, tag.digest) for tag in found if tag not in gone}
    return [tag for tag in gone if (tag.repository, tag.digest) not in shared]


def current(all_tags: Iterable[Tag]) -> set[Tag]:
    """Of images that are named by versions, the newest of each series."""
    by_repository: dict[str, dict[str, Tag]] = {}
    for tag in all_tags:
        if tag.repository.startswith(versions.REPOSITORIES):
            by_repository.setdefault(tag.repository, {})[tag.name] = tag
    return {named[str(each)] for named in by_repository.values() for each in versions.current(versions.known(named))}


class GarbageCollector:
    """`collect` once; `run` does it every `interval_s`."""

    def __init__(self, client: Client, server: RegistryServer) -> None:
        self.client = client
        self.server = server

    async def collect(self) -> int:
        """Returns how many tags were removed; 0 also when a build is running, which must not be disturbed."""
        config = self.server.config
        builds = (await self.client.list_all(BUILDS)).items
        if any((build.get("status") or {}).get("phase", "Pending") in ("Pending", "Running") for build in builds):
            return 0
        referenced = references([*builds, *await self._referring()])
        async with Registry(config.address) as registry:
            found = await asyncio.to_thread(lambda: list(tags(config.storage, time.time())))
            layers = {tag.digest: await _layers(registry, tag) for tag in found if tag.repository.startswith("sources/")}
            gone = unreferenced(found, referenced, config.address, layers)
            for tag in gone:
                await registry.delete_manifest(tag.repository, tag.digest)
        if gone:
            await self._sweep(config)
        log.info("registry collected", removed=len(gone), kept=len(found) - len(gone))
        return len(gone)

    async def _referring(self) -> list[Object]:
        found: list[Object] = []
        for resource in (APPS, MYSQLS, kinds.CONTROLLERREVISIONS, kinds.PODS, kinds.REPLICASETS, kinds.STATEFULSETS):
            with suppress(NotFound):  # a kind that this cluster has not
                found += (await self.client.list_all(resource)).items
        return found

    async def _sweep(self, config: RegistryConfig) -> None:
        async with self.server.read_only():
            await run([PROGRAM, "garbage-collect", "--delete-untagged", str(config.folder / "config.yml")], timeout_s=600)


async def _layers(registry: Registry, tag: Tag) -> set[str]:
    try:
        _, manifest = await registry.manifest(tag.repository, tag.digest)
    except NotFound:
        return set()
    return {layer["digest"] for layer in manifest.get("layers", ())}
