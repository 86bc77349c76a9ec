"""The Job of a restore: gives a new instance's first member its data.

As the backup has it, a physical one goes to the member as it lies in the store. Otherwise it is restored into a server of the Job's own,
the archived log is replayed there up to the point that is asked for, and a copy of that goes to the member. The member takes a copy
whole or not at all, so a Job that ends at any step has changed nothing, and the next one starts anew.
"""

from collections.abc import Mapping

from pilothouse.platform.databases.inside import tools
from pilothouse.platform.databases.inside.archive.contents import Archive
from pilothouse.platform.databases.inside.backup import manifest
from pilothouse.platform.databases.inside.backup.manifest import DATA, Manifest
from pilothouse.platform.databases.inside.member import Member
from pilothouse.platform.databases.inside.outcome import carry_out, say
from pilothouse.platform.databases.inside.restore.replay import replay
from pilothouse.platform.databases.inside.restore.select import Target, target, transactions
from pilothouse.platform.databases.inside.restore.unpacked import unpacked
from pilothouse.platform.databases.inside.scratch import Scratch, scratch
from pilothouse.platform.databases.inside.settings import Settings
from pilothouse.platform.databases.inside.store.errors import told
from pilothouse.platform.databases.inside.store.sealed import unsealed


def run(environ: Mapping[str, str], arguments: list[str]) -> int:
    return carry_out(environ, lambda: restore(Settings.of(environ)))


def restore(settings: Settings) -> Mapping[str, object]:
    with told():
        return _Restore(settings).make()


class _Restore:
    def __init__(self, settings: Settings) -> None:
        self.told = settings
        self.store, self.keys, self.location = settings.store(), settings.keys(), settings["LOCATION"]
        self.member = Member(settings["MEMBER_HOST"], int(settings["MEMBER_PORT"]), settings.tls)

    def make(self) -> Mapping[str, object]:
        recorded = manifest.read(self.store, self.keys, self.location)
        wanted = target(self.told.environ.get("TIME", ""), self.told.environ.get("GTID", ""))
        if wanted == Target() and recorded.method == "physical":
            say(f"{self.location} goes to {self.member.host}")
            self.member.seed(self.told["SEED"], unsealed(self.store, f"{self.location}/{DATA}", self.keys))
            return {"gtid": recorded.gtid, "transactions": 0}
        return self._rebuilt(recorded, wanted)

    def _rebuilt(self, recorded: Manifest, wanted: Target) -> Mapping[str, object]:
        folder, own = self.told.scratch / "data", tools.of_image()
        say(f"restoring {self.location} here")
        unpacked(self.store, self.keys, self.location, recorded.method, folder)
        with scratch(folder, own.replaying) as server:
            with server.connect() as connection:
                own.number_from(connection, recorded.gtid)
            count, last = (0, recorded.gtid) if wanted == Target() else self._replayed(server, recorded, wanted)
            say(f"{count} transactions replayed; a copy goes to {self.member.host}")
            self.member.seed(self.told["SEED"], own.copy(server, folder, self.told.scratch))
        return {"gtid": last or recorded.gtid, "transactions": count}

    def _replayed(self, server: Scratch, recorded: Manifest, wanted: Target) -> tuple[int, str]:
        archive = Archive(self.store, self.keys, self.told["ARCHIVE"])
        return replay(server, transactions(archive.runs(), recorded.gtid, archive.until(), wanted, archive.sections))
