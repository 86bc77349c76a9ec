"""How deep JSON values may be nested: everything that walks them does so by calling itself, and Python's stack ends at a thousand calls.

The encoder ends at 254. What the server adds around a body (the type, the managers of its fields) is nested within what is left.
"""

from typing import Any

DEEPEST = 200

TOO_DEEP = f"exceeded max depth: nested more than {DEEPEST} deep"


def is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            each
            for container in level
            if isinstance(container, dict | list)
            for each in (container.values() if isinstance(container, dict) else container)
            if isinstance(each, dict | list)
        ]
        if not level:
            return False
    return True


def may_be_too_deep(text: bytes) -> bool:
    """Whether JSON has brackets enough for that: what has not need not be looked at."""
    return text.count(b"{") + text.count(b"[") > DEEPEST
