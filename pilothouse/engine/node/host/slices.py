"""Slices of pods where systemd keeps a version 2 hierarchy: what a pod as a whole may use is written into a unit file of its own.

systemd reads the file when the first container comes into the slice, so nothing has to be asked of it at a pod's start; it is told only
of what changes while the slice is active. The files lie in /run: a machine that starts again has no pods and none of these either.

- `DefaultDependencies=no`: slices, and so the containers in them, are not stopped as soon as a shutdown begins; the node ends its pods.
- `StopWhenUnneeded=yes`: a slice goes with its last container, and that of the instance with its last pod's.

Blocking: called in a thread. Source: systemd.slice(5), systemd.resource-control(5); unit files appear without a reload as long as their
unit is not loaded.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

RUN = Path("/run/systemd")
TIMEOUT_S = 30.0
_PROPERTY = re.compile(r"^(?P<name>[A-Z]\w+)=(?P<value>.*)$", re.MULTILINE)
_HEAD = "[Unit]\nDescription={title}\nDefaultDependencies=no\nStopWhenUnneeded=yes\n\n[Slice]\n"


def unit_file(name: str) -> Path:
    return RUN / "system" / name


def give(name: str, properties: Mapping[str, str], *, active: bool) -> None:
    """Gives a pod's slice these properties beside those it has, by systemd's own names and in its forms; those of lists have a line each.

    active: systemd has loaded it, so that it has to be told. Raises OSError, which says why.
    """
    above = f"{name.rpartition('-')[0]}.slice"
    if not unit_file(above).exists():
        _write(above, "Pods of an instance of Pilothouse", {})
    before = _properties(name)
    wanted = before | dict(properties)
    if before == wanted and unit_file(name).exists():
        return
    _write(name, "Pod of Pilothouse", wanted)
    if active:
        _systemctl("set-property", "--runtime", name, *_assignments(wanted))
    # systemd has kept what it was told in files that would outweigh ours.
    shutil.rmtree(_kept(name), ignore_errors=True)


def drop(name: str, *, active: bool) -> None:
    """Forgets a slice; what is still in one that is active ends. Raises OSError."""
    unit_file(name).unlink(missing_ok=True)
    shutil.rmtree(_kept(name), ignore_errors=True)
    if active:
        _systemctl("stop", name)


def names(prefix: str) -> set[str]:
    """Those that have a file, by how their name begins."""
    return {path.name for path in (RUN / "system").glob(f"{prefix}*.slice")}


def _properties(name: str) -> dict[str, str]:
    try:
        text = unit_file(name).read_text()
    except FileNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for each in _PROPERTY.finditer(text.partition("[Slice]\n")[2]):
        found.setdefault(each["name"], []).append(each["value"])
    return {name: "\n".join(values) for name, values in found.items()}


def _assignments(properties: Mapping[str, str]) -> list[str]:
    return [f"{name}={line}" for name, value in properties.items() for line in value.split("\n")]


def _write(name: str, title: str, properties: Mapping[str, str]) -> None:
    file = unit_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    # A name that is no unit's, so that systemd never reads half a file.
    draft = file.with_name(f".{name}.new")
    draft.write_text(_HEAD.format(title=title) + "".join(f"{each}\n" for each in _assignments(properties)))
    draft.replace(file)


def _kept(name: str) -> Path:
    """Where systemd keeps what `set-property --runtime` has told it."""
    return RUN / "system.control" / f"{name}.d"


def _systemctl(*args: str) -> None:
    command = ["systemctl", *args]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise OSError(0, f"{' '.join(command)} has not ended within {TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        raise OSError(0, f"{' '.join(command)} failed: {done.stderr.strip()}")
