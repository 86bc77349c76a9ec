"""The Secrets that a volume names for its driver: read when they are needed, and never kept."""

from pilothouse.engine.node.csi.failure import SET_UP, MountFailed
from pilothouse.engine.node.csi.sources import CsiSources
from pilothouse.engine.node.csi.wanted import Wanted, secret_of
from pilothouse.engine.node.pod.environment import decoded
from pilothouse.model.json import Object


async def secrets(sources: CsiSources, asked: Wanted, pod: Object, field: str, step: str = SET_UP) -> dict[str, str]:
    """field: of the volume's source (nodeStageSecretRef, ...); empty where it names none. Raises MountFailed, ApiError."""
    reference = secret_of(asked, pod, field)
    if reference is None:
        return {}
    found = await sources.secret(*reference)
    if found is None:
        raise MountFailed(f'secret "{reference[0]}/{reference[1]}", which {field} names, not found', step)
    return {key: decoded(value) for key, value in (found.get("data") or {}).items()}
