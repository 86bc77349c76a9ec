"""sysbench's reading and writing transactions through an instance's Service, and at a bare server of the same machine.

The bare one is Debian's mariadbd with the very configuration of the member, its own port, the same TLS, the same limits of CPU and memory
and a volume made as the member's is. Beside these two: the member at its pod's address (`pod`, what the Service costs) and a bare server on
a plain folder of the same disk (`folder`, what the volume costs). All take turns in each round, and a ratio is the median over the rounds,
so that what else the machine does meets all of them.
"""

import asyncio
import os
import pwd
import shutil
import statistics
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bench.rig.context import Context
from bench.rig.database import Database
from bench.rig.figures import Figures
from bench.rig.instance import free_ports
from bench.rig.writers import Plan
from pilothouse.aio.process import run
from pilothouse.client.client import Client
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.local_volumes import image

TABLES, ROWS, THREADS = 4, 10_000, 8
CPU_MILLIS, MEMORY_BYTES, VOLUME_BYTES = 1500, 1 << 30, 2 << 30
"""Of each server: the bare ones get the member's limits by control groups of their own."""
GROUP = "pilothouse-bench-"
START_S, LOAD_S, SLACK_S = 30.0, 300.0, 60.0


async def speed(context: Context, client: Client) -> Figures:
    missing = [program for program in ("sysbench", "mariadbd", "mariadb-install-db") if shutil.which(program) is None]
    if missing:
        return {"skipped": f"{', '.join(missing)} not found"}
    database = Database(client, "speed", context.folder)
    await database.create(cpu=f"{CPU_MILLIS}m", memory="1Gi", size="2Gi")
    await database.until_well()
    through, pod = await database.plan("unused"), await database.pod("speed-0")
    root = Path(f"/proc/{await database.pid('speed-0')}/root")
    async with (
        volume(context.folder / "bare"),
        bare(context.folder / "bare", root, through) as direct,
        bare(context.folder / "folder", root, through) as plain,
    ):
        targets = {"service": through, "pod": replace(through, host=pod["status"]["podIP"]), "bare": direct, "folder": plain}
        figures = await turns(context, targets, context.folder / "bare/tls")
    await database.delete()
    return figures


async def turns(context: Context, plans: dict[str, Plan], tls: Path) -> Figures:
    """tls: of a member. Tables are made once for each server."""
    folders = {name: prepared(context.folder / f"sysbench-{name}", plan, tls) for name, plan in plans.items()}
    for name, folder in folders.items():
        if name != "pod":
            await sysbench(folder, "prepare", LOAD_S)
    seconds, rates = context.pick(10, 5), {name: [] for name in plans}  # type: ignore[var-annotated]
    for number in range(context.pick(10, 2)):
        for name, folder in folders.items():
            said = await sysbench(folder, "run", seconds + SLACK_S, f"--time={seconds}")
            rates[name].append(transactions(said))
        context.say(f"round {number + 1}: {', '.join(f'{name} {each[-1]:.0f}' for name, each in rates.items())} transactions a second")
    return {
        "transactions_per_second": {name: round(statistics.median(each), 1) for name, each in rates.items()},
        "ratio": ratio(rates["service"], rates["bare"]),
        "ratio_pod": ratio(rates["pod"], rates["bare"]),
        "ratio_folder": ratio(rates["folder"], rates["bare"]),
        "threads": THREADS,
    }


def ratio(rates: Sequence[float], to: Sequence[float]) -> float:
    """The median over the rounds."""
    return round(statistics.median(each / other for each, other in zip(rates, to, strict=True)), 3)


def prepared(folder: Path, plan: Plan, tls: Path) -> Path:
    """With the account in a file, since a process's words are seen by everybody, and files for TLS under the names that sysbench knows."""
    folder.mkdir()
    for name, known in (("ca.crt", "cacert.pem"), ("member.crt", "client-cert.pem"), ("member.key", "client-key.pem")):
        shutil.copy(tls / name, folder / known)
    given = {"host": plan.host, "port": plan.port, "user": plan.user, "password": plan.password, "db": plan.database, "ssl": "on"}
    lines = [f"mysql-{name}={value}" for name, value in given.items()]
    config = folder / "config"
    config.touch(mode=0o600)
    config.write_text("\n".join(["db-driver=mysql", *lines, f"tables={TABLES}", f"table-size={ROWS}", f"threads={THREADS}", ""]))
    return folder


async def sysbench(folder: Path, what: str, within_s: float, *options: str) -> str:
    done = await run(["sysbench", "--config-file=config", *options, "oltp_read_write", what], cwd=folder, timeout_s=within_s)
    return done.check().stdout.decode()


def transactions(said: str) -> float:
    """A second, of what sysbench prints: `transactions: 1234 (123.40 per sec.)`."""
    line = next(line for line in said.splitlines() if line.strip().startswith("transactions:"))
    return float(line.partition("(")[2].split()[0])


@asynccontextmanager
async def volume(folder: Path) -> AsyncIterator[None]:
    """A file system of its own at `folder`, as the claim of a member has on this machine."""
    file = folder.with_suffix(".image")
    await image.make(file, VOLUME_BYTES)
    await image.attach(file, folder)
    try:
        yield
    finally:
        (await run(["umount", folder], timeout_s=START_S)).check()
        file.unlink()


@asynccontextmanager
async def bare(folder: Path, pod: Path, like: Plan) -> AsyncIterator[Plan]:
    """pod: the root of the member's files. like: for the account, which is made here as well."""
    owner = pwd.getpwnam(user())
    for name in ("data", "log", "tmp", "run"):
        (folder / name).mkdir(parents=True)
    shutil.copytree(pod / "tls", folder / "tls")
    (port,) = free_ports(1)
    (folder / "my.cnf").write_text(moved((pod / "run/database/my.cnf").read_text(), folder, port))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    opened = await asyncio.to_thread(_passable, folder)
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", f"--user={owner.pw_name}", "--skip-test-db", "--rpm"]
    (await run([*install, "--auth-root-authentication-method=socket"], timeout_s=START_S)).check()
    server = subprocess.Popen(
        ["mariadbd", f"--defaults-file={folder}/my.cnf", f"--user={owner.pw_name}", "--read-only=OFF"], stderr=subprocess.DEVNULL
    )
    groups = _limited(server.pid, f"{GROUP}{folder.name}")
    try:
        await _introduce(folder, like)
        yield replace(like, host="127.0.0.1", port=port)
    finally:
        server.terminate()
        await asyncio.to_thread(server.wait, 60)
        for group in groups:
            group.rmdir()
        for path, mode in opened:
            path.chmod(mode)


def user() -> str:
    """Whom bare servers run as: Debian's package of the server makes an account, and that of its programs alone does not."""
    return "mysql" if any(entry.pw_name == "mysql" for entry in pwd.getpwall()) else "nobody"


def moved(configuration: str, folder: Path, port: int) -> str:
    """A member's configuration with the folders and the port of the bare one."""
    places = {
        "datadir": folder / "data",
        "socket": folder / "run/sock",
        "pid-file": folder / "run/pid",
        "log-error": folder / "log/error.log",
        "slow-query-log-file": folder / "log/slow.log",
        "tmpdir": folder / "tmp",
        "secure-file-priv": folder / "tmp",
        "port": port,
    }
    lines = []
    for line in configuration.splitlines():
        name, is_set, value = line.partition(" = ")
        if name == "ssl-ca" or name.startswith("ssl-"):
            value = str(folder / "tls" / Path(value).name)
        lines.append(f"{name} = {places.get(name, value)}" if is_set else line)
    return "\n".join(lines) + "\n"


def _limited(pid: int, name: str) -> list[Path]:
    """The control groups that the process is put into, which have the member's limits."""
    cpu, memory = (cgroups.ROOT / ("" if cgroups.is_v2() else each) / name for each in ("cpu", "memory"))
    for group in (cpu, memory):
        group.mkdir(exist_ok=True)
    if cgroups.is_v2():
        (cpu / "cpu.max").write_text(f"{CPU_MILLIS * 100} 100000")
        (memory / "memory.max").write_text(str(MEMORY_BYTES))
    else:
        (cpu / "cpu.cfs_quota_us").write_text(str(CPU_MILLIS * 100))
        (memory / "memory.limit_in_bytes").write_text(str(MEMORY_BYTES))
    groups = [cpu] if cpu == memory else [cpu, memory]
    for group in groups:
        (group / "cgroup.procs").write_text(str(pid))
    return groups


def _passable(folder: Path) -> list[tuple[Path, int]]:
    """The server's user must get to the folder. Returns what was changed, as it was."""
    changed = []
    for path in folder.parents:
        mode = path.stat().st_mode & 0o7777
        if not mode & 0o001:
            changed.append((path, mode))
            path.chmod(mode | 0o001)
    return changed


async def _introduce(folder: Path, like: Plan) -> None:
    """The account and its database, once the server answers."""
    text = (
        f"CREATE DATABASE `{like.database}`; CREATE USER '{like.user}'@'%' IDENTIFIED BY '{like.password}' REQUIRE SSL; "
        f"GRANT ALL ON `{like.database}`.* TO '{like.user}'@'%';"
    )
    client = ["mariadb", "--no-defaults", f"--socket={folder}/run/sock", "-u", "root"]
    async with asyncio.timeout(START_S):
        while not (folder / "run/sock").exists():
            await asyncio.sleep(0.1)
    (await run(client, input=text.encode(), timeout_s=START_S)).check()
