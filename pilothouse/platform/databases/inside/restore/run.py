"""The Job of a restore: gives a new instance's first member its data.

As the backup has it, a physical one goes to the member as it lies in the store. Otherwise it is restored into a server of the Job's own,
the archived log is replayed there up to the point that is asked for, and a copy of that goes to the member. The member takes a copy
whole or not at all, so a Job that ends at any step has changed nothing, and the next one starts anew.
"""

import os
import pwd
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from pilothouse.platform.databases.inside.archive.contents import Archive
from pilothouse.platform.databases.inside.backup import manifest
from pilothouse.platform.databases.inside.backup.manifest import DATA, Manifest
from pilothouse.platform.databases.inside.member import Member
from pilothouse.platform.databases.inside.outcome import Failure, carry_out, say
from pilothouse.platform.databases.inside.restore.replay import replay
from pilothouse.platform.databases.inside.restore.select import Target, target, transactions
from pilothouse.platform.databases.inside.restore.unpacked import unpacked
from pilothouse.platform.databases.inside.scratch import Scratch, scratch
from pilothouse.platform.databases.inside.settings import Settings
from pilothouse.platform.databases.inside.store.errors import told
from pilothouse.platform.databases.inside.store.sealed import unsealed

_PART = 1 << 18


def run(environ: Mapping[str, str], arguments: list[str]) -> int:
    return carry_out(environ, lambda: restore(Settings.of(environ)))


def restore(settings: Settings) -> Mapping[str, object]:
    with told():
        return _Restore(settings).make()


class _Restore:
    def __init__(self, settings: Settings) -> None:
        self.told = settings
        self.store, self.key, self.location = settings.store(), settings.key(), settings["LOCATION"]
        self.member = Member(settings["MEMBER_HOST"], int(settings["MEMBER_PORT"]), settings.tls)

    def make(self) -> Mapping[str, object]:
        recorded = manifest.read(self.store, self.key, self.location)
        wanted = target(self.told.environ.get("TIME", ""), self.told.environ.get("GTID", ""))
        if wanted == Target() and recorded.method == "physical":
            say(f"{self.location} goes to {self.member.host}")
            self.member.seed(self.told["SEED"], unsealed(self.store, f"{self.location}/{DATA}", self.key))
            return {"gtid": recorded.gtid, "transactions": 0}
        return self._rebuilt(recorded, wanted)

    def _rebuilt(self, recorded: Manifest, wanted: Target) -> Mapping[str, object]:
        folder = self.told.scratch / "data"
        say(f"restoring {self.location} here")
        unpacked(self.store, self.key, self.location, recorded.method, folder)
        with scratch(folder, _OPTIONS) as server:
            _number_from(server, recorded.gtid)
            count, last = (0, recorded.gtid) if wanted == Target() else self._replayed(server, recorded, wanted)
            with server.connect() as connection, connection.cursor() as cursor:
                # The program that copies does not run against a server without accounts; the system's user is let in over the socket.
                cursor.execute("FLUSH PRIVILEGES")
            say(f"{count} transactions replayed; a copy goes to {self.member.host}")
            self.member.seed(self.told["SEED"], _copy(server, folder, self.told.scratch))
        return {"gtid": last or recorded.gtid, "transactions": count}

    def _replayed(self, server: Scratch, recorded: Manifest, wanted: Target) -> tuple[int, str]:
        archive = Archive(self.store, self.key, self.told["ARCHIVE"])
        return replay(server, transactions(archive.runs(), recorded.gtid, archive.until(), wanted, archive.sections))


_OPTIONS = (
    *("--log-bin=binlog", "--server-id=1", "--binlog-format=ROW", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0"),
    "--innodb-log-file-size=64M",
)
"""With a binary log, of which the copy's position is told; not a durable one, since a Job that ends starts anew."""


def _number_from(server: Scratch, gtid: str) -> None:
    """What is in the data already, so that the copy's position holds it too when nothing is replayed."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("RESET MASTER")
        if gtid:
            cursor.execute("SET GLOBAL gtid_binlog_state = %s", (gtid,))


def _copy(server: Scratch, data: Path, room: Path) -> Iterator[bytes]:
    """mbstream in zstd. Raises Failure when it does not end well, before its last part is given."""
    log = room / "copy.log"
    argv = [
        "mariadb-backup",
        "--no-defaults",
        "--backup",
        "--stream=mbstream",
        "--log-copy-interval=20",
        f"--datadir={data}",
        f"--target-dir={room / 'copy'}",
    ]
    with (
        open(log, "wb") as errors,
        subprocess.Popen(
            [*argv, f"--socket={server.socket}", f"--user={pwd.getpwuid(os.getuid()).pw_name}"], stdout=subprocess.PIPE, stderr=errors
        ) as copy,
        subprocess.Popen(["zstd", "-q", "-1", "-c"], stdin=copy.stdout, stdout=subprocess.PIPE) as zstd,
    ):
        assert zstd.stdout is not None
        while part := zstd.stdout.read(_PART):
            yield part
        if copy.wait() or zstd.wait():
            raise Failure("BrokenCopy", f"the restored data can't be copied: {log.read_text(errors='replace')[-300:].strip()}")
