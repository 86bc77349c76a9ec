"""The ConfigMap with the programs that an instance's pods run.

Its name is made from its content and it is immutable: the node reads ConfigMaps again while a pod lives, and a new version of the platform
changes nothing under a server that runs.
"""

import base64
import functools
import hashlib

from pilothouse.platform.databases.bundle import bundle

KEY = "agent.pyz"


@functools.cache
def version() -> str:
    """Of the programs: the same for the same code. An agent tells it as `agent` in its state."""
    return hashlib.sha256(bundle()).hexdigest()[:10]


def content() -> dict[str, str]:
    """The ConfigMap's `binaryData`."""
    return {KEY: base64.b64encode(bundle()).decode()}
