"""What a backup says of itself. It is written last: a backup without one does not exist."""

import json
from dataclasses import asdict, dataclass, field

from pilothouse.platform.databases.inside.backup.survey import Table
from pilothouse.platform.databases.inside.store.sealed import BrokenSeal, Keys, get, put
from pilothouse.platform.databases.inside.store.seam import Store

FORMAT = 1
DATA, MANIFEST = "data", "manifest"


@dataclass(frozen=True, slots=True)
class Manifest:
    """method: physical (mbstream in zstd) or logical (SQL in zstd). gtid: the last transactions in it. tables: what a server that
    was started on the copy, while the backup was made, held. bytes, digest: of the data as it lies in the store.
    began_at, copied_at: seconds since the epoch, of the copying."""

    instance: str
    instance_uid: str
    member: str
    method: str
    version: str
    gtid: str
    began_at: float
    copied_at: float
    bytes: int
    digest: str
    uncompressed_bytes: int
    tables: list[Table] = field(default_factory=list)
    format: int = FORMAT

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


def write(store: Store, keys: Keys, location: str, manifest: Manifest) -> int:
    return put(store, f"{location}/{MANIFEST}", keys, json.dumps(asdict(manifest)).encode())


def read(store: Store, keys: Keys, location: str) -> Manifest:
    """Raises Missing, BrokenSeal, StoreError."""
    found = json.loads(get(store, f"{location}/{MANIFEST}", keys))
    if found.get("format") != FORMAT:
        raise BrokenSeal(f"{location}/{MANIFEST} is of format {found.get('format')}, and this version reads {FORMAT}")
    return Manifest(**found | {"tables": [Table(**table) for table in found["tables"]]})
