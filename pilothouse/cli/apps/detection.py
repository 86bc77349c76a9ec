"""What a tree is, with the versions of base images that can be had from here."""

import re
import subprocess
from collections.abc import Mapping

from pilothouse.platform.builds.detect import CannotDetect, Detected, Offer, Tree, detect
from pilothouse.platform.builds.offers import offered

_FROM = re.compile(r"^FROM .*$", re.MULTILINE)
_PROBE = ("skopeo", "inspect", "--raw", "docker://docker.io/library/busybox:latest")
PROBE_S = 6


def detected(tree: Tree, port: int | None) -> Detected:
    """With the versions of stand-ins; where the tree asks for another one and a registry answers, with that. Raises CannotDetect."""
    versions = offered()
    try:
        found: Detected | CannotDetect = detect(tree, Offer(versions), port)
    except CannotDetect as error:
        found = error
    asked = _as_asked(tree, versions, port)
    if asked is not None and _bases(found) != _bases(asked) and has_public_registry():
        return asked
    if isinstance(found, CannotDetect):
        raise found
    return found


def has_public_registry() -> bool:
    """Whether Docker Hub, which unqualified image names mean, can be reached from this machine."""
    try:
        return subprocess.run(_PROBE, capture_output=True, timeout=PROBE_S, check=False).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def _as_asked(tree: Tree, versions: Mapping[str, tuple[str, ...]], port: int | None) -> Detected | None:
    try:
        return detect(tree, Offer(versions, exact=False), port)
    except CannotDetect:
        return None


def _bases(found: Detected | CannotDetect) -> list[str]:
    return _FROM.findall(found.dockerfile) if isinstance(found, Detected) else []
