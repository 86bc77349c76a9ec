"""Thresholds of eviction as settings write them, in the syntax of kubelet's flags. Pure.

`memory.available<100Mi,nodefs.available<10%` for thresholds, `memory.available=1m30s` for grace periods,
`nodefs.available=1Gi` for minimum reclaims. Source: kubernetes pkg/kubelet/eviction/helpers.go (ParseThresholdConfig).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from pilothouse.model.quantity import BINARY, DECIMAL, Quantity, QuantityError, whole

MEMORY = "memory.available"
NODE_FS, NODE_INODES = "nodefs.available", "nodefs.inodesFree"
IMAGE_FS, IMAGE_INODES = "imagefs.available", "imagefs.inodesFree"
PIDS = "pid.available"
EPHEMERAL, INODES, PROCESSES = "ephemeral-storage", "inodes", "pids"
RESOURCES: Mapping[str, str] = {
    MEMORY: "memory",
    NODE_FS: EPHEMERAL,
    NODE_INODES: INODES,
    IMAGE_FS: EPHEMERAL,
    IMAGE_INODES: INODES,
    PIDS: PROCESSES,
}
"""By signal, what is short then."""
CONDITIONS: Mapping[str, str] = {
    signal: "MemoryPressure" if signal == MEMORY else "PIDPressure" if signal == PIDS else "DiskPressure" for signal in RESOURCES
}
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


class ThresholdError(ValueError):
    """One sentence about a setting that is no threshold."""


@dataclass(frozen=True, slots=True)
class Amount:
    """So much, or a part of the capacity. Exactly one of the two."""

    quantity: Fraction | None = None
    percent: Fraction | None = None

    def of(self, capacity: int) -> int:
        if self.quantity is not None:
            return int(self.quantity)
        assert self.percent is not None
        return int(capacity * self.percent / 100)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Met while less than `amount` is available. grace_s 0: a hard one, acted upon at once."""

    signal: str
    amount: Amount
    grace_s: float = 0.0
    min_reclaim: Amount | None = None

    @property
    def is_hard(self) -> bool:
        return self.grace_s == 0.0

    @property
    def resource(self) -> str:
        return RESOURCES[self.signal]


def parse(hard: str, soft: str = "", soft_grace: str = "", min_reclaim: str = "") -> tuple[Threshold, ...]:
    """Raises ThresholdError."""
    graces = {signal: _duration(signal, text) for signal, text in _pairs(soft_grace, "=").items()}
    reclaims = {signal: _amount(signal, text) for signal, text in _pairs(min_reclaim, "=").items()}
    found = [Threshold(signal, _amount(signal, text), 0.0, reclaims.get(signal)) for signal, text in _pairs(hard, "<").items()]
    for signal, text in _pairs(soft, "<").items():
        if not graces.get(signal):
            raise ThresholdError(f"the soft threshold of {signal} needs a grace period: {signal}=1m30s in eviction_soft_grace_period")
        found.append(Threshold(signal, _amount(signal, text), graces[signal], reclaims.get(signal)))
    return tuple(found)


def shown(amount: int, signal: str) -> str:
    """As messages have it."""
    return str(whole(amount, DECIMAL if signal in (NODE_INODES, IMAGE_INODES, PIDS) else BINARY))


def _pairs(text: str, operator: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        signal, sign, value = (each.strip() for each in part.partition(operator))
        if not sign or not value:
            raise ThresholdError(f"{part!r} is no threshold: write {MEMORY}{operator}VALUE, several with commas between")
        if signal not in RESOURCES:
            raise ThresholdError(f"{signal!r} is no signal of eviction: there are {', '.join(RESOURCES)}")
        if signal in found:
            raise ThresholdError(f"{signal} is given twice")
        found[signal] = value
    return found


def _amount(signal: str, text: str) -> Amount:
    try:
        if text.endswith("%"):
            percent = Fraction(text[:-1])
            if not 0 <= percent <= 100:
                raise ValueError(text)
            return Amount(percent=percent)
        quantity = Quantity.of(text)
        if quantity.amount < 0:
            raise ValueError(text)
    except (QuantityError, ValueError, ZeroDivisionError) as error:
        raise ThresholdError(f"{signal}: {text!r} is neither an amount such as 100Mi nor a part such as 10%") from error
    return Amount(quantity.amount)


def _duration(signal: str, text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ThresholdError(f"{signal}: {text!r} is no duration such as 1m30s")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
