"""What pods are told about the attaching of their volumes, in upstream's words. Pure."""

from collections.abc import Iterable


def succeeded(volume: str) -> str:
    return f'AttachVolume.Attach succeeded for volume "{volume}" '


def failed(volume: str, why: str) -> str:
    return f'AttachVolume.Attach failed for volume "{volume}" : {why}'


def late(driver: str, handle: str) -> str:
    """Nobody has answered: most often the driver's controller, or its attacher, does not run."""
    return (
        f"timed out waiting for external-attacher of {driver} CSI driver to attach volume {handle}; "
        f"look whether the driver's controller runs with an external-attacher"
    )


def exclusive(volume: str, namespace: str, holders: Iterable[str]) -> str:
    """holders: keys of the pods that have the volume elsewhere; those of other namespaces are only counted."""
    own = [key.partition("/")[2] for key in holders if key.partition("/")[0] == namespace]
    others = sum(1 for key in holders if key.partition("/")[0] != namespace)
    head = f'Multi-Attach error for volume "{volume}" '
    if own and others:
        return f"{head}Volume is already used by pod(s) {', '.join(own)} and {others} pod(s) in different namespaces"
    if own:
        return f"{head}Volume is already used by pod(s) {', '.join(own)}"
    if others:
        return f"{head}Volume is already used by {others} pod(s) in different namespaces"
    return f"{head}Volume is already exclusively attached to one node and can't be attached to another"
