"""What a machine looks like from outside: used to prove that an instance leaves nothing behind."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pilothouse.cli.settings.home import Home
from pilothouse.model.pod_links import group_of


@dataclass(frozen=True)
class Machine:
    """Names only, each of a kind that an instance makes. is_shared: whether there are other instances, which come and go as they like.

    With them nobody can say whose a network namespace is, or who has switched forwarding on.
    """

    links: frozenset[str]
    mounts: frozenset[str]
    namespaces: frozenset[str]
    tables: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]
    forwarding: str
    is_shared: bool

    def added_since(self, before: "Machine") -> dict[str, list[str]]:
        """What is there now and was not before, by kind; empty when the machine is as it was."""
        is_shared = self.is_shared or before.is_shared
        kinds = ("links", "mounts", "tables", "cgroups", "processes", *(() if is_shared else ("namespaces",)))
        found = {name: sorted(getattr(self, name) - getattr(before, name)) for name in kinds}
        if self.forwarding != before.forwarding and not is_shared:
            found["forwarding"] = [f"{before.forwarding} -> {self.forwarding}"]
        return {name: values for name, values in found.items() if values}


FURTHER = 6
"""No test makes a further node of this number."""
PROGRAMS = ("containerd", "containerd-shim", "envoy", "docker-registry", "pilothouse", "catatonit", "runc", "buildah")


def look(home: Path) -> Machine:
    """What the instance with that home has on the machine: other ones may run beside it."""
    marks = [Home(path).instance for path in (home, *(home / "nodes" / str(number) for number in range(2, FURTHER)))]
    links, tables = _links(), _lines(["nft", "list", "tables"], str)
    is_shared = any(name.startswith("ph-") and not _is_marked(name, marks) for name in links)
    groups = [str(group_of(mark)) for mark in marks]
    loose = [name for name, owner in links.items() if name.startswith("ph") and not owner and not is_shared]
    return Machine(
        links=frozenset([*loose, *(name for name, owner in links.items() if _is_marked(name, marks) or owner in groups)]),
        mounts=frozenset(path for path in _mounts() if path.startswith(f"{home}/")),
        namespaces=frozenset(_lines(["ip", "netns", "list"], lambda line: line.split()[0])),
        tables=frozenset(table for table in tables if _is_marked(table, marks)),
        cgroups=frozenset(str(path) for path in _cgroups() if _is_marked(path.name, marks)),
        processes=frozenset(_processes(str(home))),
        forwarding=Path("/proc/sys/net/ipv4/ip_forward").read_text().strip(),
        is_shared=is_shared,
    )


def _is_marked(name: str, marks: list[str]) -> bool:
    return any(mark in name for mark in marks)


def _links() -> dict[str, str]:
    """Name -> whose it is: the group of a pod's link, the bridge of a port, "" for an end of a pair that nobody has taken away."""
    said = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout
    found = json.loads(said)
    bridges = {link["ifname"] for link in found if link["ifname"].startswith(("ph-", "phn-"))}
    return {link["ifname"]: link["ifname"] if link["ifname"] in bridges else _owner(link) for link in found}


def _owner(link: dict[str, str]) -> str:
    return link.get("master", "") or ("" if link["group"] == "default" else link["group"])


def _mounts() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def _lines(argv: list[str], pick: Callable[[str], str]) -> list[str]:
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [pick(line) for line in out.splitlines() if line.strip()]


def _cgroups() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    return [path for base in (root, *(p for p in root.iterdir() if p.is_dir())) for path in base.glob("pilothouse[-_]*")]


def _processes(marker: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        name = command.split(" ")[0].rsplit("/", 1)[-1]
        if marker in command and (name.startswith(PROGRAMS) or "pilothouse." in command):
            found.append(f"{folder.name} {command[:120]}")
    return found
