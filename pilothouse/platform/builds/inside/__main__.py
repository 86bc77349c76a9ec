"""`prepare` ends the container that fetches the source, `build` is the one that builds it."""

import os
import sys


def main(command: str, arguments: list[str]) -> int:
    """Each command imports what it needs alone: an archive's modules are compiled at each start, and somebody waits."""
    if command == "prepare":
        from pilothouse.platform.builds.inside.prepare import prepare

        return prepare(os.environ, arguments)
    from pilothouse.platform.builds.inside.make import build

    return build(os.environ, arguments)


sys.stdout.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
sys.exit(main(sys.argv[1], sys.argv[2:]))
