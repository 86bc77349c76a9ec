"""What a volume of an app may be, as sentences with a way out (pure); what depends on claims that exist is in `claims`."""

import posixpath
import re
from collections.abc import Callable, Iterator

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.names import dns1123_subdomain
from pilothouse.platform.apps.volumes import spec
from pilothouse.platform.apps.volumes.spec import MOST, Volume

MOST_PATH = 255
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?")
_KERNEL = ("/proc", "/sys", "/dev")
_SYSTEM = frozenset(
    (
        *("/", "/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/run", "/sbin", "/var"),
        *("/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/local", "/usr/local/bin", "/usr/local/lib", "/usr/sbin"),
    )
)
"""Folders without whose files no program of an image starts, or by which the platform gives it its own."""
_OWN_FILES = ("/var/run/secrets/kubernetes.io", "/run/secrets/kubernetes.io")

Quantity = Callable[[str, str], str]
"""`check.quantity`."""


def faults(app: Object, processes: list[str], quantity: Quantity) -> Iterator[str]:
    """processes: names of all of them."""
    volumes = spec.of(app)
    if len(volumes) > MOST:
        yield f"{meta.name(app)} has {len(volumes)} volumes, more than {MOST}: use folders of one"
        return
    for volume in volumes:
        yield name(volume.name)
        yield path(volume.path)
        yield quantity("storage", volume.size)
        yield _claim(volume, volumes)
        unknown = sorted(set(volume.processes) - set(processes))
        if unknown:
            yield f"volume {volume.name} is for process {unknown[0]}, which {meta.name(app)} has not: it has {', '.join(processes)}"
    yield from _twice(volumes, processes)


def name(text: str) -> str:
    """Each check returns a sentence, or "" when all is well."""
    if _NAME.fullmatch(text):
        return ""
    example = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:30].strip("-") or "data"
    return f"{text[:40]!r} is no name for a volume: use at most 30 lower case letters, digits and dashes, such as {example}"


def path(text: str) -> str:
    shown = repr(text if len(text) <= 60 else f"{text[:60]}...")
    if not text.startswith("/"):
        return f"{shown} is no place for a volume: write the whole path inside the container, such as /{text.lstrip('./') or 'data'}"
    if len(text) > MOST_PATH or any(char == ":" or not char.isprintable() for char in text):
        return f"{shown} is no place for a volume: use at most {MOST_PATH} characters, without colons and control characters"
    plain = "/" + posixpath.normpath(text).lstrip("/")
    if ".." in text.split("/") or (plain != text.rstrip("/") and plain != "/"):
        return f"{shown} is no place for a volume: write it without `.`, `..` and double slashes, such as {plain}"
    if plain in _SYSTEM or any(f"{plain}/".startswith(f"{each}/") for each in (*_KERNEL, *_OWN_FILES)):
        return f"a volume at {plain} would hide what every program needs: choose a folder of the app's own, such as /data"
    return ""


def _claim(volume: Volume, volumes: list[Volume]) -> str:
    if volume.is_own:
        return ""
    if same := next((each.name for each in volumes if each.claim == volume.claim and each.name != volume.name), ""):
        return f"volumes {volume.name} and {same} are both claim {volume.claim}: give one another claim, or leave it out"
    if dns1123_subdomain(volume.claim):
        return f"{volume.claim[:60]!r} is no name of a claim: `ph kubectl get pvc` lists those that there are"
    if volume.size or volume.access_mode or volume.storage_class:
        return f"volume {volume.name} mounts claim {volume.claim}, which has a size, mode and class of its own: leave these out"
    return ""


def _twice(volumes: list[Volume], processes: list[str]) -> Iterator[str]:
    for process in processes:
        seen: dict[str, str] = {}
        for volume in volumes:
            place = volume.path.rstrip("/")
            if volume.is_of(process) and seen.setdefault(place, volume.name) != volume.name:
                yield f"volumes {seen[place]} and {volume.name} are both at {place}: give one another path"
                return
