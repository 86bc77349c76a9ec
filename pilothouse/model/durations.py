"""Durations as Go writes them."""

import re

_DURATION = re.compile(r"([0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(ns|us|µs|ms|s|m|h|d|w)")
_SECOND = 10**9
_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3_600 * _SECOND,
    "d": 86_400 * _SECOND,
    "w": 604_800 * _SECOND,
}


def duration_ns(text: str) -> int:
    """Nanoseconds; raises ValueError."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    total, position = 0.0, 0
    for match in _DURATION.finditer(rest[:64]):
        if match.start() != position:
            break
        total += float(match[1]) * _NS[match[2]]
        position = match.end()
    if not rest or position != len(rest):
        raise ValueError(f"invalid duration {text!r}")
    return sign * int(total)
