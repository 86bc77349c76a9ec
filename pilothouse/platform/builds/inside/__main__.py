"""`clone`, `detect` and `prepare` are steps of the container that fetches the source, `build` is the one that builds it.

`sweep` tidies the builder's store after a build that was killed.
"""

import importlib
import os
import sys

COMMANDS = {
    "clone": ("source", "clone"),
    "detect": ("source", "detected"),
    "prepare": ("prepare", "prepare"),
    "build": ("make", "build"),
    "sweep": ("store", "sweep"),
}
"""Command -> its module in this package and the function there."""


def main(command: str, arguments: list[str]) -> int:
    """Each command imports what it needs alone: an archive's modules are compiled at each start."""
    module, function = COMMANDS[command]
    run = getattr(importlib.import_module(f"pilothouse.platform.builds.inside.{module}"), function)
    return int(run(os.environ, arguments))


sys.stdout.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
sys.exit(main(sys.argv[1], sys.argv[2:]))
