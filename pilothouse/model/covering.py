"""Whether an object is as it is wanted, where the server has added to it."""

from typing import Any


def covers(current: Any, wanted: Any) -> bool:
    """Whether everything wanted is there; what the server has added does not count. An empty value is as good as none."""
    if isinstance(wanted, dict):
        return isinstance(current, dict) and all(covers(current.get(k), v) if v else not current.get(k) for k, v in wanted.items())
    if isinstance(wanted, list):
        return isinstance(current, list) and len(current) == len(wanted) and all(map(covers, current, wanted))
    return bool(current == wanted)
