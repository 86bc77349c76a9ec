"""What is wrong with files of static pods, as the node has written it down. Apart, for commands that are asked often.

Blocking: called in a thread.
"""

from pathlib import Path

from pilothouse.model.json import JSONError, loads

PROBLEMS = "problems.json"


def problems(folder: Path) -> dict[str, str]:
    """What `Kept.say` said last."""
    try:
        found = loads((folder / PROBLEMS).read_bytes())
    except (OSError, JSONError):
        return {}
    return {str(name): str(why) for name, why in found.items()} if isinstance(found, dict) else {}
