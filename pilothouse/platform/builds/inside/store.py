"""The builder's layers and cache mounts on the node: kept between builds, within a limit of size, least recently used first out."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from pilothouse.platform.builds.inside.settings import Settings

PRUNE_EVERY_S = 3600.0
BATCH = 10
_BUILDAH = ("buildah", "--storage-driver", "overlay")


class Store:
    def __init__(self, settings: Settings) -> None:
        self.folder = settings.storage
        self.limit = settings.storage_limit

    def make_ready(self) -> None:
        """Temporary files and cache mounts lie in the store, which outlives the pod and is no overlay itself."""
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)

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
        stamp.touch()
        self.prune()

    def prune(self) -> None:
        """Remove images until the store is within its limit, then the cache mounts if that is not enough."""
        images = self._oldest_first()
        while size_bytes(self.folder) > self.limit and images:
            batch, images = images[:BATCH], images[BATCH:]
            for image in batch:  # one that a build or another image needs is refused, and stays
                subprocess.run([*_BUILDAH, "rmi", image], capture_output=True, check=False, timeout=120)
        if size_bytes(self.folder) > self.limit:
            for cache in (self.folder / "tmp").glob("buildah-cache-*"):
                shutil.rmtree(cache, ignore_errors=True)

    def _oldest_first(self) -> list[str]:
        """By their last use; of one build's layers the last, which others rest on, comes first."""
        said = subprocess.run([*_BUILDAH, "images", "--all", "--json"], capture_output=True, check=False, timeout=120).stdout
        images: list[dict[str, Any]] = json.loads(said or b"[]") or []
        used = self._used()
        return [image["id"] for image in sorted(images, key=lambda each: (used.get(each["id"][:12], 0.0), -each.get("created", 0)))]


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
