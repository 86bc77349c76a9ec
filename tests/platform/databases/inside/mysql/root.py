"""MySQL's servers and the programs of Jobs for it, with a root file system that has them, such as the image's.

PILOTHOUSE_MYSQL_ROOT names it. They run in a mount namespace and a root of their own, for which the test must be root.
"""

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.platform.databases.inside.jobs import Jobs
from tests.platform.databases.inside.servers import FakeAgent, Server, own_folder, user

ROOT = os.environ.get("PILOTHOUSE_MYSQL_ROOT", "")
needs_mysql = pytest.mark.skipif(
    not ROOT or os.getuid() != 0,
    reason="PILOTHOUSE_MYSQL_ROOT names no root file system with MySQL's server, or the test is not root",
)
_WITHIN = """
root=$1 user=$2
shift 2
mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --bind /tmp "$root/tmp" || exit
exec chroot --userspec="$user" --groups= "$root" "$@"
"""
_OPTIONS = (
    *("--log-bin=binlog", "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--sync-binlog=1", "--mysqlx=OFF", "--performance-schema=OFF"),
    *("--innodb-buffer-pool-size=32M", "--innodb-redo-log-capacity=16M", "--skip-name-resolve", "--bind-address=127.0.0.1"),
    *("--plugin-load-add=mysql_clone.so", "--secure-file-priv=NULL"),
)


def within(command: list[str]) -> list[str]:
    """As the servers' user."""
    entry = pwd.getpwnam(user())
    apart = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _WITHIN, "sh"]
    return [*apart, ROOT, f"{entry.pw_uid}:{entry.pw_gid}", *command]


class MySQLServer(Server):
    def argv(self) -> list[str]:
        return within(
            [
                *("mysqld", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", f"--port={self.port}"),
                *(f"--server-id={self._server_id}", f"--log-error={self.folder / 'log'}", f"--pid-file={self.folder / 'pid'}"),
                *(f"--tmpdir={self.folder}", *_OPTIONS, *self._options),
            ]
        )

    def make_data(self) -> None:
        argv = ["mysqld", "--no-defaults", "--initialize-insecure", f"--datadir={self.data}", f"--tmpdir={self.folder}", "--mysqlx=OFF"]
        subprocess.run(within(argv), check=True, stderr=subprocess.DEVNULL)

    def start(self) -> None:
        self._start_as({})

    def position(self) -> str:
        return str(self.sql("SELECT @@GLOBAL.gtid_executed")[0][0]).replace("\n", "")


class MySQLAgent(FakeAgent):
    """Gives copies as MySQL's agent does."""

    def command(self, path: str) -> list[str]:
        return within(super().command(path))

    def who(self) -> dict[str, Any]:
        return {}

    def script(self, path: str) -> str:
        client = f"--no-defaults --socket={self.server.socket} --user=root"
        if path == "/v1/clone":
            folder = own_folder(self.server.folder / "copies") / f"of-{os.urandom(4).hex()}"
            clone = f"mysql {client} -e \"CLONE LOCAL DATA DIRECTORY = '{folder}'\""
            return f"{clone} && tar -c -C {folder} . | zstd -q -1 -c && rm -rf {folder}"
        what = "--all-databases --single-transaction --routines --triggers --events --hex-blob"
        return f"mysqldump {client} {what} --source-data=2 --set-gtid-purged=COMMENTED | zstd -q -1 -c"


class MySQLJobs(Jobs):
    def who(self) -> dict[str, Any]:
        return {}

    def argv(self, command: list[str]) -> list[str]:
        return within(command)


def unpacked(seeded: Path, folder: Path) -> Path:
    """The data that a member was given."""
    data = own_folder(folder / "data")
    with open(seeded, "rb") as copy:
        subprocess.run(within(["bash", "-o", "pipefail", "-c", f"zstd -dqc | tar -x -C {data}"]), stdin=copy, check=True)
    return data
