"""By whose credentials images were pulled, so that they serve nobody else: a pod that shows none of these asks the registry itself.

A record for each image that this node has pulled, by its id; and while a pull goes on a note of that, so that an image whose pull the
agent did not see the end of is not taken for one that was here before. What has neither was not pulled by this node (loaded, built, from
before there were records) and serves everybody; so do names of a repository that no pull has given to an image.
Source: KEP-2535; kubernetes pkg/kubelet/images/pullmanager, with its default policy NeverVerifyPreloadedImages.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from pilothouse.engine.node.files import durable
from pilothouse.engine.node.images.credentials import Credential, SecretOf
from pilothouse.engine.node.images.reference import repository_of
from pilothouse.engine.node.runtime.seam import Image
from pilothouse.model import meta
from pilothouse.model.json import JSONError, Object, dumps, loads

log = structlog.get_logger("node.images")

MOST_SECRETS = 200
"""Of one image in one repository; beyond, the one that was noted first is forgotten, and its pods pull again."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use an image under the name of one repository. anybody: it was pulled without credentials. secrets: Secret -> hash."""

    anybody: bool = False
    secrets: dict[SecretOf, str] = field(default_factory=dict)

    def admits(self, shown: Credential) -> bool:
        """By what it says, or by the Secret that it comes from, which may have been renewed since."""
        return shown.secret in self.secrets or shown.hash in self.secrets.values()

    def noting(self, shown: Credential) -> "Access":
        secrets = {source: hash for source, hash in self.secrets.items() if source != shown.secret} | {shown.secret: shown.hash}
        return replace(self, secrets=dict(list(secrets.items())[-MOST_SECRETS:]))


Records = dict[str, dict[str, Access]]
"""Image id -> repository -> who may use it."""


class PullRecords:
    """folder: the node's own. Call `open` first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._records: Records = {}
        self._begun: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self._under_way: Counter[str] = Counter()

    async def open(self) -> None:
        """Reads what an earlier agent has written. What a file was about that cannot be read serves nobody without a pull."""
        self._records, self._begun = await asyncio.to_thread(self._load)

    def needs_credentials(self, image: str, found: Image) -> bool:
        """Whether a pod has to show credentials for an image that is here. image: as the pod names it."""
        if self._unreadable and {_digest(image), _digest(found.id)} & self._unreadable:
            return True
        record, repository = self._records.get(found.id), repository_of(image)
        access = None if record is None else record.get(repository)
        if access is not None:
            return not access.anybody
        if repository not in map(repository_of, (*found.tags, *found.digests)):
            # Named by its id, which says nothing of where it comes from.
            return record is not None or bool(self._begun)
        # No pull has given it that name, but one that goes on, or whose end nobody saw, may have.
        return any(before != found.id and _may_be(image, begun) for begun, before in self._begun.items())

    async def admits(self, image: str, id: str, shown: Sequence[Credential]) -> bool:
        """Whether one of these has had the image before.

        A Secret that says the same as one that has is noted. One that says something else by now has proved nothing by that.
        """
        access = self._records.get(id, {}).get(repository_of(image))
        found = next((each for each in shown if access is not None and access.admits(each)), None)
        if access is None or found is None:
            return False
        if found.secret not in access.secrets:
            await self._note(image, id, access.noting(found))
        return True

    async def begin(self, image: str, before: str) -> None:
        """A pull begins. before: id of what has that name already, "" for nothing. Raises OSError when it cannot be noted."""
        self._under_way[image] += 1
        if image in self._begun:
            return
        self._begun[image] = before
        try:
            await asyncio.to_thread(durable.write, self._pulling(image), dumps({"image": image, "imageRef": before}))
        except OSError:
            self._under_way[image] -= 1
            self._begun.pop(image, None)
            raise

    async def pulled(self, image: str, id: str, by: Credential | None) -> None:
        """by: what the registry took; None: it asked for nothing."""
        access = self._records.get(id, {}).get(repository_of(image), Access())
        await self._note(image, id, replace(access, anybody=True) if by is None else access.noting(by))

    async def end(self, image: str, now: str | None) -> None:
        """A pull has ended. now: id of what has that name, "" for nothing, None when that is not known.

        The note of it stays where that is not known to be for everybody or for somebody: until a pull succeeds.
        """
        self._under_way[image] -= 1
        if self._under_way[image] > 0:
            return
        del self._under_way[image]
        if now is not None and (now in ("", self._begun.get(image)) or self._is_kept(now)):
            self._begun.pop(image, None)
            self._unreadable.discard(_digest(image))
            await asyncio.to_thread(_remove, self._pulling(image))

    def known(self) -> Records:
        return dict(self._records)

    async def forget(self, gone: Records) -> None:
        """Of what was known, the images that are here no more; one that was pulled since is."""
        for id, record in gone.items():
            if self._records.get(id) is record:
                del self._records[id]
                await asyncio.to_thread(_remove, self._record(id))

    async def forget_unreadable(self, there: Iterable[str]) -> None:
        """Records that cannot be read, of images that are not among these ids."""
        of_images = {_digest(id) for id in there} if self._unreadable else set()
        for name in [each for each in self._unreadable if each not in of_images and (self._folder / "pulled" / f"{each}.json").exists()]:
            self._unreadable.discard(name)
            await asyncio.to_thread(_remove, self._folder / "pulled" / f"{name}.json")

    async def _note(self, image: str, id: str, access: Access) -> None:
        self._unreadable.discard(_digest(id))
        record = self._records[id] = self._records.get(id, {}) | {repository_of(image): access}
        try:
            await asyncio.to_thread(durable.write, self._record(id), dumps(_written(id, record)))
        except OSError as error:
            # As long as this agent lives it is known; after that the image is pulled once more.
            log.warning("not noted who may use an image", image=image, why=str(error))

    def _is_kept(self, id: str) -> bool:
        return id in self._records and self._record(id).exists()

    def _record(self, id: str) -> Path:
        return self._folder / "pulled" / f"{_digest(id)}.json"

    def _pulling(self, image: str) -> Path:
        return self._folder / "pulling" / f"{_digest(image)}.json"

    def _load(self) -> tuple[Records, dict[str, str]]:
        records = {found["imageRef"]: _read_record(found) for found in self._objects("pulled", "imageRef", "credentialMapping")}
        begun = {found["image"]: str(found.get("imageRef") or "") for found in self._objects("pulling", "image")}
        return records, begun

    def _objects(self, folder: str, subject: str, mapping: str = "") -> Iterator[Object]:
        """subject: the field that says what each is about. mapping: one that has to be an object, "" for none."""
        for file in sorted((self._folder / folder).glob("*.json")):
            try:
                found = loads(file.read_bytes())
            except (OSError, JSONError):
                found = None
            if (
                isinstance(found, dict)
                and _digest(str(found.get(subject))) == file.stem
                and (not mapping or isinstance(found.get(mapping), dict))
            ):
                yield found
            else:
                log.warning("a record of a pull cannot be read", file=str(file))
                self._unreadable.add(file.stem)


def _may_be(image: str, begun: str) -> bool:
    """Whether a pull of one may have brought what the other names."""
    return image == begun or ("@" in image and repository_of(image) == repository_of(begun))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)


def _written(id: str, record: dict[str, Access]) -> Object:
    return {
        "lastUpdatedTime": meta.rfc3339(time.time()),
        "imageRef": id,
        "credentialMapping": {repository: _mapping(access) for repository, access in record.items()},
    }


def _mapping(access: Access) -> Object:
    secrets = [
        {"uid": each.uid, "namespace": each.namespace, "name": each.name, "credentialHash": hash} for each, hash in access.secrets.items()
    ]
    return {"nodePodsAccessible": access.anybody, "kubernetesSecrets": secrets}


def _read_record(found: Object) -> dict[str, Access]:
    """An entry that is not as it was written admits nobody."""
    return {str(repository): _read_access(given) for repository, given in found["credentialMapping"].items()}


def _read_access(given: object) -> Access:
    if not isinstance(given, dict):
        return Access()
    secrets = [each for each in given.get("kubernetesSecrets") or () if isinstance(each, dict)]
    known = {
        SecretOf(str(each.get("uid")), str(each.get("namespace")), str(each.get("name"))): str(each.get("credentialHash"))
        for each in secrets
    }
    return Access(given.get("nodePodsAccessible") is True, known)
