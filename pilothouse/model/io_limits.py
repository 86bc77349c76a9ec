"""How much a volume may be read and written in a second, as a VolumeAttributesClass of the provisioner `pilothouse.io/local` states it.

Reads and writes are counted apart: each may be as many as the limit says. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.model.digits import natural
from pilothouse.model.quantity import Quantity, QuantityError

IOPS, THROUGHPUT = "iops", "throughput"
LEAST_IOPS, LEAST_BYTES_PER_S = 10, 1 << 20
"""Below these a file system does not get its own books written in any useful time."""
MOST = 2**32 - 1
"""What every kernel takes as a number of operations."""


@dataclass(frozen=True, slots=True)
class IoLimits:
    """0: no limit of that kind."""

    iops: int = 0
    bytes_per_s: int = 0


def of_parameters(parameters: Mapping[str, str]) -> IoLimits:
    """Raises ValueError with a sentence for whoever has written the class."""
    if unknown := sorted(set(parameters) - {IOPS, THROUGHPUT}):
        raise ValueError(f"there is no parameter {unknown[0]!r} for volumes of this provisioner; use {IOPS} and {THROUGHPUT}")
    return IoLimits(_iops(parameters.get(IOPS)), _bytes_per_s(parameters.get(THROUGHPUT)))


def _iops(text: str | None) -> int:
    if text is None:
        return 0
    found = natural(text)
    if found is None or not LEAST_IOPS <= found <= MOST:
        raise ValueError(f"{IOPS} is {text!r}; it is a number of operations a second from {LEAST_IOPS} to {MOST}")
    return found


def _bytes_per_s(text: str | None) -> int:
    if text is None:
        return 0
    try:
        found = Quantity.of(text)
    except QuantityError:
        found = Quantity.of("0")
    if found < Quantity.of(str(LEAST_BYTES_PER_S)) or found > Quantity.of(str(2**63 - 1)):
        raise ValueError(f"{THROUGHPUT} is {text!r}; it is an amount of bytes a second from 1Mi, such as 20Mi")
    return found.value
