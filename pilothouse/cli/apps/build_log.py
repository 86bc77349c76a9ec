"""The log of a build after its pod is gone."""

import sys

from pilothouse.client.client import Client
from pilothouse.model.errors import NotFound
from pilothouse.platform.builds.log import kept_log


async def print_kept_log(client: Client, build: str, namespace: str, tail: int) -> bool:
    """The log of a build whose pod is gone; False when it is not kept (yet)."""
    try:
        lines = (await kept_log(client, build, namespace)).splitlines(keepends=True)
    except NotFound:
        return False
    sys.stdout.buffer.write(b"".join(lines[-tail:] if tail else []))
    sys.stdout.buffer.flush()
    return True
