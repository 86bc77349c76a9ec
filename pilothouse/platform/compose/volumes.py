"""The volumes of a compose file: named ones become volumes of apps, everything else is said by name.

A volume that several services name belongs to the one that starts first; the others mount that one's claim. Folders of the machine
cannot be mounted: a replica may run on another one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.platform.compose.values import ComposeError, listed, mapping

SIZE = "x-size"
"""Extension field of a volume at the top: its size as a Kubernetes quantity; a compose file has no other place for it."""
_HARMLESS_MODES = frozenset({"rw", "z", "Z", "nocopy", "consistent", "cached", "delegated"})
_KNOWN = frozenset({"external", "name", "driver", "labels", SIZE})
_LONGEST = 30


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume in a service. volume: its name in the file."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume at the top of the file. claim: of an external one, "" for one that is made. size: "" for the default."""

    claim: str = ""
    size: str = ""


def mounts(service: str, raw: Mapping[str, Any]) -> tuple[tuple[Mount, ...], list[str]]:
    """The named volumes of a service, and sentences of what is not mounted. Raises ComposeError."""
    found, said = list[Mount](), list[str]()
    for entry in listed(raw.get("volumes"), f"{service}.volumes"):
        mount, note = _long(service, entry) if isinstance(entry, dict) else _short(service, str(entry))
        found += [mount] if mount is not None else []
        said += [note] if note else []
    for place in _tmpfs(raw.get("tmpfs")):
        said.append(f"{place} of {service} is no tmpfs: it lies on disk, and goes with the replica all the same")
    return tuple(found), said


def _short(service: str, text: str) -> tuple[Mount | None, str]:
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise ComposeError(f"{service}.volumes: {text!r} is no volume: write it like data:/var/lib/data")
    if len(parts) == 1:
        return None, _anonymous(service, text)
    modes = set(parts[2].split(",")) if len(parts) == 3 else set()
    unknown = sorted(modes - _HARMLESS_MODES - {"ro"})
    note = f"mode {', '.join(unknown)} of volume {parts[0]} is not taken ({service})" if unknown else ""
    return _placed(service, parts[0], parts[1], read_only="ro" in modes, note=note)


def _long(service: str, entry: Mapping[str, Any]) -> tuple[Mount | None, str]:
    kind, source, target = str(entry.get("type") or "volume"), str(entry.get("source") or ""), str(entry.get("target") or "")
    if not target:
        raise ComposeError(f"{service}.volumes: an entry has no target: name the path inside the container")
    if kind == "tmpfs":
        return None, f"{target} of {service} is no tmpfs: it lies on disk, and goes with the replica all the same"
    if kind not in ("volume", "bind"):
        raise ComposeError(f"{service}.volumes: type {kind} is not taken: use a named volume for {target}")
    if mapping(entry.get("volume"), f"{service}.volumes: volume").get("subpath"):
        raise ComposeError(f"{service}.volumes: subpath of {source} is not taken: give {target} a volume of its own")
    if not source:
        return None, _anonymous(service, target)
    return _placed(service, source, target, read_only=bool(entry.get("read_only")), is_bound=kind == "bind")


def _placed(service: str, source: str, target: str, *, read_only: bool, note: str = "", is_bound: bool = False) -> tuple[Mount | None, str]:
    if is_bound or source.startswith((".", "/", "~")):
        return None, (
            f"{source} is a folder or file of this machine, which replicas cannot have: {service} finds at {target} what its image has "
            "there (COPY it in the Dockerfile, or use a named volume)"
        )
    return Mount(source, target, read_only), note


def _anonymous(service: str, path: str) -> str:
    return f"the volume at {path} of {service} has no name, so what is there goes with the replica: name it, as in data:{path}, to keep it"


def _tmpfs(given: Any) -> list[str]:
    entries = given if isinstance(given, list) else [given] if given else []
    return [str(entry).partition(":")[0] for entry in entries]


def declared(file: str, given: Any) -> tuple[dict[str, Volume], list[str]]:
    """The volumes at the top of the file, and sentences of what is not taken. Raises ComposeError."""
    found, said = dict[str, Volume](), list[str]()
    for name, raw in mapping(given, f"{file}: volumes").items():
        entry = mapping(raw, f"{file}: volumes.{name}")
        external = entry.get("external")
        named = external.get("name") if isinstance(external, dict) else entry.get("name")
        found[name] = Volume(str(named or name) if external else "", str(entry.get(SIZE) or ""))
        ignored = sorted(key for key in entry.keys() - _KNOWN if not key.startswith("x-"))
        ignored += ["driver"] if str(entry.get("driver") or "local") != "local" else []
        said += [f"{key} of volume {name} is not taken: it is made by the cluster's default storage class" for key in ignored]
    return found, said


def assigned(services: Sequence[tuple[str, Sequence[Mount]]], top: Mapping[str, Volume]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """`spec.volumes` of each service's app, and sentences. services: in the order in which they start. Raises ComposeError."""
    owners: dict[str, tuple[str, str]] = {}
    users: dict[str, list[str]] = {}
    found: dict[str, dict[str, Any]] = {}
    for service, mounted in services:
        volumes = found.setdefault(service, {})
        for mount in mounted:
            if mount.volume not in top:
                raise ComposeError(
                    f"{service}.volumes uses {mount.volume}, which `volumes` at the top does not name: add `{mount.volume}: {{}}` there"
                )
            if (twice := next((each.path for each in mounted if each.volume == mount.volume), mount.path)) != mount.path:
                raise ComposeError(f"{service}.volumes has {mount.volume} at {twice} and at {mount.path}: give one a volume of its own")
            name = _free_name(mount.volume, volumes)
            owner = owners.setdefault(mount.volume, (service, name))
            volumes[name] = _spec(mount, top[mount.volume], f"{owner[0]}-{owner[1]}" if owner != (service, name) else "")
            users.setdefault(mount.volume, []).append(service)
    return found, [_shared(volume, names) for volume, names in users.items() if len(names) > 1]


def _spec(mount: Mount, volume: Volume, owned: str) -> dict[str, Any]:
    """Every field that a compose file decides: what an earlier one has said goes. owned: the claim of the service that has it."""
    claim = volume.claim or owned
    size = {"size": volume.size} if volume.size and not claim else {}
    return {"path": mount.path, "readOnly": mount.read_only, "claim": claim or None, **size}


def _free_name(name: str, taken: Iterable[str]) -> str:
    """As an app may call it: compose's names have underscores, dots and capitals, too."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-") or "data"
    number, found = 1, plain
    while found in taken:
        number += 1
        found = f"{plain[: _LONGEST - len(str(number)) - 1]}-{number}"
    return found


def _shared(volume: str, services: Sequence[str]) -> str:
    return f"volume {volume} is shared by {' and '.join(services)}, which run on one node for that"
