"""The builder's layers and cache mounts on the node: kept between builds, within a limit of size, least recently used first out.

A build that works holds a lock on a file of its own under `running`, which the kernel takes from it however it ends. What was begun
before the oldest of them is nobody's any more: working containers and temporary files of builds that were killed. Images are removed
only while no build works, and a build that comes then waits: what it finds in the cache must be there when it is used.
"""

import datetime
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pilothouse.platform.builds.inside.settings import Settings

PRUNE_EVERY_S = 3600.0
ENDING_S = 60.0
"""How long a build that was ended may take to be gone."""
CACHES = "buildah-cache-"
"""Begins the names of cache mounts among the temporary files."""
BATCH = 10
_BUILDAH = ("buildah", "--storage-driver", "overlay")


def sweep(environ: Mapping[str, str], arguments: list[str]) -> int:
    """arguments: none. BUILD_UID in environ: the build that has been ended, whose end is waited for. Returns the exit status."""
    settings = Settings.of(environ)
    store = Store(settings)
    store.make_ready()
    store.wait_for_end(settings.uid)
    print(f"{len(store.sweep())} working containers removed")  # noqa: T201 - the log of its pod
    store.prune()
    return 0


class Store:
    def __init__(self, settings: Settings) -> None:
        self.folder = settings.storage
        self.limit = settings.storage_limit

    def make_ready(self) -> None:
        """Temporary files and cache mounts lie in the store, which outlives the pod and is no overlay itself."""
        for name in ("tmp", "running"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def used_by(self, uid: str) -> Iterator[None]:
        """The build's containers and temporary files, and all images, are left alone for the block."""
        descriptor, draft = tempfile.mkstemp(prefix=".", dir=self.folder / "running")
        gate = os.open(self.folder / "gate", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(gate, fcntl.LOCK_SH)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            path = Path(draft).replace(self.folder / "running" / uid)  # in place only with its lock
            yield
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
            os.close(gate)

    def wait_for_end(self, uid: str) -> None:
        """At most ENDING_S."""
        path, deadline = self.folder / "running" / uid, time.monotonic() + ENDING_S
        while uid and path.exists() and _is_locked(path) and time.monotonic() < deadline:
            time.sleep(0.2)

    def sweep(self) -> list[str]:
        """Remove what no running build has made; returns the containers."""
        begun = self._oldest_running()
        dead = [each["id"] for each in self._containers() if _seconds(each.get("created", "")) < begun]
        for start in range(0, len(dead), BATCH):
            subprocess.run([*_BUILDAH, "rm", *dead[start : start + BATCH]], capture_output=True, check=False, timeout=600)
        for path in (self.folder / "tmp").iterdir():
            if not path.name.startswith(CACHES) and path.lstat().st_mtime < begun:
                _remove(path)
        return dead

    def _oldest_running(self) -> float:
        """When the oldest build began that works, in seconds of the epoch; the present when there is none."""
        begun = time.time()
        for path in (self.folder / "running").glob("[!.]*"):
            try:
                if _is_locked(path):
                    begun = min(begun, path.stat().st_mtime)
                else:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
        return begun

    def _containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for name in ("containers.json", "volatile-containers.json"):
            with suppress(OSError, ValueError):
                found += json.loads((self.folder / "storage/overlay-containers" / name).read_text()) or []
        return found

    def note_used(self, images: list[str]) -> None:
        """Remember that a build needed these images now."""
        used = self._used() | dict.fromkeys((image[:12] for image in images), time.time())
        newest = dict(sorted(used.items(), key=lambda item: item[1])[-5000:])
        with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix="used-", delete=False) as draft:  # other builds write theirs
            draft.write(json.dumps(newest))
        Path(draft.name).replace(self.folder / "used.json")

    def _used(self) -> dict[str, float]:
        try:
            found: dict[str, float] = json.loads((self.folder / "used.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def prune_when_due(self) -> None:
        """At most once in PRUNE_EVERY_S, since measuring a store reads all of its folders."""
        stamp = self.folder / "pruned"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < PRUNE_EVERY_S:
            return
        if self.prune():
            stamp.touch()

    def prune(self) -> bool:
        """Remove images until the store is within its limit, then the cache mounts if that is not enough.

        False when a build works; nothing is removed then, and the last one to end prunes.
        """
        with (self.folder / "gate").open("w") as gate:
            try:
                fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._prune()
        return True

    def _prune(self) -> None:
        images = self._oldest_first()
        while size_bytes(self.folder) > self.limit and images:
            batch, images = images[:BATCH], images[BATCH:]
            for image in batch:  # one that a build or another image needs is refused, and stays
                subprocess.run([*_BUILDAH, "rmi", image], capture_output=True, check=False, timeout=120)
        if size_bytes(self.folder) > self.limit:
            for cache in (self.folder / "tmp").glob(f"{CACHES}*"):
                shutil.rmtree(cache, ignore_errors=True)

    def _oldest_first(self) -> list[str]:
        """By their last use; of one build's layers the last, which others rest on, comes first."""
        said = subprocess.run([*_BUILDAH, "images", "--all", "--json"], capture_output=True, check=False, timeout=120).stdout
        images: list[dict[str, Any]] = json.loads(said or b"[]") or []
        used = self._used()
        return [image["id"] for image in sorted(images, key=lambda each: (used.get(each["id"][:12], 0.0), -each.get("created", 0)))]


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _seconds(created: str) -> float:
    """Of the epoch; the future for what is no time, so that it is left alone."""
    try:
        return datetime.datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return float("inf")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def size_bytes(folder: Path) -> int:
    """Of the files on this disk; hard links are counted once, mounts below are not entered."""
    total, seen = 0, set[int]()
    device = folder.stat().st_dev
    waiting = [str(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            stat = entry.stat(follow_symlinks=False)
            if stat.st_dev == device and stat.st_ino not in seen:
                seen.add(stat.st_ino)
                total += stat.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return total
