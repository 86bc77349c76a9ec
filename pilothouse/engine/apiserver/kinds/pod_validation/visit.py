"""All containers of a pod, of whichever list."""

from collections.abc import Iterator

from pilothouse.model.json import Object


def containers(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    """Each container with its path, in the order in which upstream visits them. path: of the spec."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for i, container in enumerate(spec.get(kind) or ()):
            yield container, f"{path}.{kind}[{i}]"
