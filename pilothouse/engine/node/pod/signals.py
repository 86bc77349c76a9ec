"""Names of signals as pods write them. Pure."""

import signal

from pilothouse.model.json import Object

_MIN, _MAX = "SIGRTMIN", "SIGRTMAX"


def stop_signal(container: Object) -> int:
    """The number of the signal that ends the container; 0 when it does not say."""
    name = (container.get("lifecycle") or {}).get("stopSignal") or ""
    return number(name) if name else 0


def number(name: str) -> int:
    """Raises ValueError for what is no signal. Real-time signals are counted from either end: SIGRTMIN+1, SIGRTMAX-1."""
    for base, sign in ((_MIN, "+"), (_MAX, "-")):
        start, found, offset = name.partition(sign)
        if found and start == base:
            return int(signal.Signals[base]) + int(sign + offset)
    try:
        return int(signal.Signals[name])
    except KeyError:
        raise ValueError(f"{name!r} is no signal") from None
