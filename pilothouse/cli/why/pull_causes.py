"""Why an image cannot be had, from what the node says about the pull (pure)."""

import re
from collections.abc import Sequence

from pilothouse.cli.why.finding import AT_ONCE, LATE, Finding, State
from pilothouse.cli.why.notes import Note

PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"})
"""Reasons of a waiting container."""
_OWN = "127.0.0.1:"
"""Begins the names of images in the platform's registry, on every node."""
_AWAY = r"refused|reset|EOF|timeout"
_PULL_CAUSES = (
    (
        r"not found|manifest unknown|name unknown|NotFound",
        "image {image} does not exist in its registry",
        "correct the image's name or tag",
        State.IMAGE_MISSING,
        AT_ONCE,
    ),
    (
        r"x509|certificate",
        "the certificate of the registry of image {image} is not trusted",
        "give the node the registry's CA",
        State.IMAGE_UNREACHABLE,
        AT_ONCE,
    ),
    (
        r"unauthorized|denied|authorization failed|\b401\b|\b403\b",
        "the registry of image {image} refuses access",
        "give the pod imagePullSecrets for that registry, or make the image public",
        State.IMAGE_UNREACHABLE,
        AT_ONCE,
    ),
    (
        r"no such host|refused|timeout|unreachable|dial tcp|lookup ",
        "the registry of image {image} cannot be reached",
        "check the network to it, set a mirror with `ph config set registry.mirror HOST`, or use an image of the platform's registry",
        State.IMAGE_UNREACHABLE,
        LATE,
    ),
)


def pull_message(message: str, notes: Sequence[Note]) -> str:
    """While it backs off, the status may say only that it does; what the registry said stands in an older note."""
    told = [n.message for n in notes if n.reason == "Failed" and "pull" in n.message.lower() and ": " in n.message]
    return f"{message} {told[-1]}" if told else message


def image_meant(image: str, message: str) -> str:
    """The container's own, or the one of a volume that it mounts. message: of its waiting."""
    found = re.match(r'volume "[^"]*": .*?image (?:name )?"([^"]+)"', message)
    return found.group(1) if found else image


def of_pull(container: str, image: str, reason: str, message: str) -> Finding:
    effect = f"container {container} cannot start"
    if reason == "InvalidImageName":
        return Finding(
            (f"{image!r} is no valid image name".replace("'", '"'), effect), "correct the image's name", State.IMAGE_MISSING, AT_ONCE
        )
    if reason == "ErrImageNeverPull":
        cause = f"image {image} is not on the node and its pull policy is Never"
        return Finding((cause, effect), "load it, or allow it to be pulled", State.IMAGE_MISSING, AT_ONCE)
    if image.startswith(_OWN) and re.search(_AWAY, message):
        step = (
            "if it is the platform's, see with `ph status` whether the registry's machine and the node work, "
            "and that nothing else listens on this port of the node"
        )
        return Finding((f"the pod's node does not reach the registry of image {image}", effect), step, State.IMAGE_UNREACHABLE, LATE)
    for pattern, cause, step, state, certain_after_s in _PULL_CAUSES:
        if re.search(pattern, message, re.IGNORECASE):
            return Finding((cause.format(image=image), effect), step, state, certain_after_s)
    said = message.rpartition("desc = ")[2].strip() or "the node gives no reason"
    step = "correct the image's name, or see whether its registry works"
    return Finding((f"image {image} cannot be pulled: {said}", effect), step, State.IMAGE_UNREACHABLE, LATE)
