"""The Job of a backup: copies a member into the store, starts a server on the copy, and records what it holds.

The copy goes two ways at once: sealed into the store, and unpacked into the Job's scratch volume. Only when a server has answered on
the latter and every table has been read the manifest is written, and with it there is a backup.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from pilothouse.platform.databases.inside import tools
from pilothouse.platform.databases.inside.backup import manifest
from pilothouse.platform.databases.inside.backup.load import load
from pilothouse.platform.databases.inside.backup.manifest import DATA, Manifest
from pilothouse.platform.databases.inside.backup.survey import survey, version
from pilothouse.platform.databases.inside.backup.unpack import Unpacking, prepare, size_of
from pilothouse.platform.databases.inside.member import Member
from pilothouse.platform.databases.inside.outcome import carry_out, say
from pilothouse.platform.databases.inside.scratch import scratch
from pilothouse.platform.databases.inside.settings import Settings
from pilothouse.platform.databases.inside.store.errors import told
from pilothouse.platform.databases.inside.store.sealed import Sealer
from pilothouse.platform.databases.inside.store.seam import StoreError


def run(environ: Mapping[str, str], arguments: list[str]) -> int:
    return carry_out(environ, lambda: backup(Settings.of(environ)))


def backup(settings: Settings) -> Mapping[str, object]:
    """Returns what the Backup's status tells of it."""
    with told():
        return _Backup(settings).make()


class _Backup:
    def __init__(self, settings: Settings) -> None:
        self.told = settings
        self.store, self.keys, self.location = settings.store(), settings.keys(), settings["LOCATION"]
        self.member = Member(settings["MEMBER_HOST"], int(settings["MEMBER_PORT"]), settings.tls)
        self.method, self.folder = settings["METHOD"], settings.scratch / "data"

    def make(self) -> Mapping[str, object]:
        self.store.tidy(f"{self.location}/")
        began = time.time()
        say(f"copying {self.member.host} into the store")
        try:
            made = self._made(began)
        except BaseException:
            # What is left when this fails too goes with the Backup, or with its next attempt.
            with suppress(StoreError):
                self.store.delete(f"{self.location}/{DATA}")
            raise
        say(f"{len(made.tables)} tables with {made.rows} rows at {made.gtid}")
        return _summary(made)

    def _made(self, began: float) -> Manifest:
        with self._sealer() as sealer:
            gtid = self._copied(sealer)
            copied = time.time()
            sealer.commit()
        say(f"{sealer.size} bytes are in the store; a server starts on the copy")
        made = self._described(began, copied, gtid, sealer)
        manifest.write(self.store, self.keys, self.location, made)
        return made

    @contextmanager
    def _sealer(self) -> Iterator[Sealer]:
        sealer = Sealer(self.store, f"{self.location}/{DATA}", self.keys)
        try:
            yield sealer
        except BaseException:
            sealer.abort()
            raise

    def _copied(self, sealer: Sealer) -> str:
        """Returns the position of a logical copy; of the other it is told by the server on it."""
        if self.method == "logical":
            with self.member.dump() as parts:
                return load(self.folder, _both(parts, sealer))
        with self.member.clone() as parts, Unpacking(self.folder) as unpacking:
            for part in _both(parts, sealer):
                unpacking.write(part)
            unpacking.finish()
        return ""

    def _described(self, began: float, copied: float, gtid: str, sealer: Sealer) -> Manifest:
        if self.method == "physical":
            prepare(self.folder)
        with scratch(self.folder) as server, server.connect() as connection:
            tables, running = survey(connection), version(connection)
            at = gtid if self.method == "logical" else tools.of_image().position(self.folder, connection)
        return Manifest(
            instance=self.told["INSTANCE"],
            instance_uid=self.told["INSTANCE_UID"],
            member=self.told["MEMBER"],
            method=self.method,
            version=running,
            gtid=at,
            began_at=began,
            copied_at=copied,
            bytes=sealer.size,
            digest=sealer.digest,
            uncompressed_bytes=size_of(self.folder),
            tables=tables,
        )


def _both(parts: Iterator[bytes], sealer: Sealer) -> Iterator[bytes]:
    for part in parts:
        sealer.write(part)
        yield part


def _summary(made: Manifest) -> Mapping[str, object]:
    return {
        "gtid": made.gtid,
        "version": made.version,
        "bytes": made.bytes,
        "digest": made.digest,
        "uncompressedBytes": made.uncompressed_bytes,
        "tables": len(made.tables),
        "rows": made.rows,
        "copiedAt": made.copied_at,
    }
