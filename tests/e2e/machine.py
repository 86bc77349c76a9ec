"""What a machine looks like from outside: used to prove that an instance leaves nothing behind."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """Names only, each of a kind that an instance makes."""

    links: frozenset[str]
    mounts: frozenset[str]
    namespaces: frozenset[str]
    tables: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]
    forwarding: str

    def added_since(self, before: "Machine") -> dict[str, list[str]]:
        """What is there now and was not before, by kind; empty when the machine is as it was."""
        found = {
            name: sorted(getattr(self, name) - getattr(before, name))
            for name in ("links", "mounts", "namespaces", "tables", "cgroups", "processes")
        }
        if self.forwarding != before.forwarding:
            found["forwarding"] = [f"{before.forwarding} -> {self.forwarding}"]
        return {name: values for name, values in found.items() if values}


PROGRAMS = ("containerd", "containerd-shim", "envoy", "docker-registry", "pilothouse", "catatonit", "runc", "buildah")


def look(marker: str = "") -> Machine:
    """marker: part of the command line by which processes of one instance are known; "" for all of the programs it starts."""
    return Machine(
        links=frozenset(_lines(["ip", "-o", "link"], lambda line: line.split(": ")[1].split("@")[0])),
        mounts=frozenset(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        namespaces=frozenset(_lines(["ip", "netns", "list"], lambda line: line.split()[0])),
        tables=frozenset(_lines(["nft", "list", "tables"], str)),
        cgroups=frozenset(str(path) for path in _cgroups()),
        processes=frozenset(_processes(marker)),
        forwarding=Path("/proc/sys/net/ipv4/ip_forward").read_text().strip(),
    )


def _lines(argv: list[str], pick: Callable[[str], str]) -> list[str]:
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [pick(line) for line in out.splitlines() if line.strip()]


def _cgroups() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    return [path for base in (root, *(p for p in root.iterdir() if p.is_dir())) for path in base.glob("pilothouse-*")]


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
