"""`agent` runs beside each server until it is told to end, `archive` beside the primary; the others are Jobs of backups."""

import contextlib
import importlib
import os
import sys

COMMANDS = {
    "agent": ("agent.main", "run"),
    "archive": ("archive.run", "run"),
    "backup": ("backup.run", "run"),
    "forget": ("backup.forget", "run"),
    "restore": ("restore.run", "run"),
    "verify": ("verify.run", "run"),
}
"""Command -> its module in this package and the function there, which takes the environment and the arguments."""


TOLD = "/dev/termination-log"
"""By which the cluster learns why a container has ended."""
LACKS = 78
"""The code for an image that lacks something: EX_CONFIG of sysexits.h."""


def main(command: str, arguments: list[str]) -> int:
    """Each command imports what it needs alone: an archive's modules are compiled at each start."""
    module, function = COMMANDS[command]
    try:
        run = getattr(importlib.import_module(f"pilothouse.platform.databases.inside.{module}"), function)
    except ModuleNotFoundError as error:
        return _lacks(str(error.name))
    return int(run(os.environ, arguments))


def _lacks(module: str) -> int:
    text = f"its image lacks Python's module {module}\n"
    sys.stderr.write(text)
    with contextlib.suppress(OSError), open(TOLD, "r+") as file:
        file.write(text)
    return LACKS


sys.stdout.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
sys.exit(main(sys.argv[1], sys.argv[2:]))
