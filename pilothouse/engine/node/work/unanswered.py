"""What the runtime has made although it has not said so: its answer was lost, or it ended over the work.

Such a thing holds the name that the next attempt would need, so it is looked for after each failure of making one.
"""

from pilothouse.engine.node.runtime.seam import CREATED, Container, Runtime, RuntimeFailure, Sandbox


async def sandbox_made(runtime: Runtime, uid: str, attempt: int) -> Sandbox | None:
    """The pod's sandbox of that attempt, ready or not; None as well when the runtime does not answer."""
    try:
        for listed in await runtime.sandboxes():
            if (listed.uid, listed.attempt) == (uid, attempt):
                return await runtime.sandbox(listed.id)
    except RuntimeFailure:
        return None
    return None


async def container_made(runtime: Runtime, uid: str, name: str, attempt: int) -> Container | None:
    """The pod's container of that attempt that was made and not started. Raises RuntimeFailure."""
    for listed in await runtime.containers():
        if (listed.uid, listed.name, listed.attempt, listed.state) == (uid, name, attempt, CREATED):
            return listed
    return None
