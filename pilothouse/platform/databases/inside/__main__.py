"""`agent` runs beside each server until it is told to end, `archive` beside the primary; the others are Jobs of backups."""

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


def main(command: str, arguments: list[str]) -> int:
    """Each command imports what it needs alone: an archive's modules are compiled at each start."""
    module, function = COMMANDS[command]
    run = getattr(importlib.import_module(f"pilothouse.platform.databases.inside.{module}"), function)
    return int(run(os.environ, arguments))


sys.stdout.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
sys.exit(main(sys.argv[1], sys.argv[2:]))
