"""Resource amounts inside objects: the canonical form they are stored in, and which names stand for what.

Source: pkg/apis/core/helper/helpers.go, pkg/apis/core/v1/defaults.go (ResourceList is rounded up to thousandths).
"""

from typing import Any

from pilothouse.model import names
from pilothouse.model.caching import remembered
from pilothouse.model.quantity import Quantity, QuantityError, milli, parse

HUGE_PAGES = "hugepages-"
CONTAINER_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
OBJECT_COUNTS = frozenset(
    {"pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims"}
) | {"services.nodeports", "services.loadbalancers"}
STANDARD_RESOURCES = (
    CONTAINER_RESOURCES
    | OBJECT_COUNTS
    | {f"{side}.{name}" for side in ("requests", "limits") for name in CONTAINER_RESOURCES}
    | {"storage", "requests.storage"}
)


def amount(value: Any) -> Quantity:
    """An amount as objects hold it; what does not parse has been refused before and counts as nothing."""
    try:
        return parse(value) if isinstance(value, str) else Quantity.of(value)
    except QuantityError:
        return Quantity.of(None)


@remembered(4096)
def _rounded(text: str) -> str:
    try:
        found = parse(text)
    except QuantityError:
        return text
    thousandths = found.amount * 1000
    if thousandths.denominator != 1:
        found = milli(found.milli_value)
    return str(found)


def round_amounts(amounts: dict[str, Any]) -> None:
    """Write each amount in its canonical form, rounded up to thousandths."""
    for name, value in amounts.items():
        amounts[name] = _rounded(value if isinstance(value, str) else str(value))


@remembered(4096)
def is_negative(value: Any) -> bool:
    return amount(value).amount.numerator < 0


@remembered(4096)
def is_fractional(value: Any) -> bool:
    return amount(value).milli_value % 1000 != 0


@remembered(4096)
def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1: less, equal or more."""
    first, second = amount(one), amount(other)
    return (first > second) - (first < second)


def is_huge_page(name: str) -> bool:
    return name.startswith(HUGE_PAGES)


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """A resource that a device plug-in or an administrator announces: `example.com/gpu`."""
    return not is_native(name) and not name.startswith("requests.") and not names.qualified_name(f"requests.{name}")


def may_be_overcommitted(name: str) -> bool:
    return is_native(name) and not is_huge_page(name)


def is_standard(name: str) -> bool:
    return name in STANDARD_RESOURCES or is_huge_page(name) or name.startswith("requests.hugepages-")


def is_counted(name: str) -> bool:
    """Whether quotas know it."""
    return name != "storage" and is_standard(name)


def is_whole(name: str) -> bool:
    return name in OBJECT_COUNTS or is_extended(name)
