"""The driver's volumes and snapshots: a folder each, with a note of what has been done with it. Whoever is killed finds it again."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.csi_driver.serving import Refused


@dataclass
class Volume:
    """staged: path -> whether as a block device. published: path -> staging path. attached: ids of nodes. node_bytes: as a node has it."""

    id: str
    name: str = ""
    bytes: int = 1 << 30
    node_bytes: int = 0
    block: bool = False
    source: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    staged: dict[str, bool] = field(default_factory=dict)
    published: dict[str, str] = field(default_factory=dict)
    attached: list[str] = field(default_factory=list)
    ephemeral: bool = False
    abnormal: str = ""


@dataclass
class Snapshot:
    id: str
    name: str
    volume: str
    bytes: int
    created_at: int


class Store:
    """Volumes lie in volumes/ID, with their files in `data` and, as block devices, in the file `image`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("volumes", "snapshots"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def folder(self, id: str) -> Path:
        if not id or "/" in id or id.startswith("."):
            raise Refused("INVALID_ARGUMENT", f"{id!r} is no id of a volume")
        return self.root / "volumes" / id

    def data(self, id: str) -> Path:
        return self.folder(id) / "data"

    def image(self, id: str) -> Path:
        return self.folder(id) / "image"

    def volume(self, id: str) -> Volume:
        """Raises Refused: NOT_FOUND."""
        try:
            return Volume(**json.loads((self.folder(id) / "volume.json").read_text()))
        except FileNotFoundError:
            raise Refused("NOT_FOUND", f"there is no volume {id}") from None

    def volumes(self) -> Iterator[Volume]:
        for each in sorted((self.root / "volumes").glob("*/volume.json")):
            yield self.volume(each.parent.name)

    def write(self, volume: Volume) -> None:
        self.data(volume.id).mkdir(parents=True, exist_ok=True)
        _write(self.folder(volume.id) / "volume.json", asdict(volume))

    def remove(self, id: str) -> None:
        shutil.rmtree(self.folder(id), ignore_errors=True)

    def snapshot(self, id: str) -> Snapshot:
        """Raises Refused: NOT_FOUND."""
        try:
            return Snapshot(**json.loads((self.root / "snapshots" / id / "snapshot.json").read_text()))
        except FileNotFoundError:
            raise Refused("NOT_FOUND", f"there is no snapshot {id}") from None

    def snapshots(self) -> Iterator[Snapshot]:
        for each in sorted((self.root / "snapshots").glob("*/snapshot.json")):
            yield self.snapshot(each.parent.name)

    def take_snapshot(self, snapshot: Snapshot) -> None:
        folder = self.root / "snapshots" / snapshot.id
        shutil.copytree(self.data(snapshot.volume), folder / "data", dirs_exist_ok=True)
        _write(folder / "snapshot.json", asdict(snapshot))

    def remove_snapshot(self, id: str) -> None:
        shutil.rmtree(self.root / "snapshots" / id, ignore_errors=True)

    def fill(self, id: str, snapshot: str, volume: str) -> None:
        """What a new volume begins with."""
        source = self.root / "snapshots" / snapshot / "data" if snapshot else self.data(volume)
        shutil.copytree(source, self.data(id), dirs_exist_ok=True)


def _write(file: Path, content: object) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(content))
    fresh.replace(file)
