"""What is read from a HorizontalPodAutoscaler and from the Scale of its target.

Source: Kubernetes 1.36, pkg/controller/podautoscaler/horizontal.go and its configuration's defaults.
"""

from dataclasses import dataclass

from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity

TOLERANCE = 0.1
DOWNSCALE_WINDOW_S = 300.0
"""How long a higher recommendation keeps an autoscaler up that says nothing about it."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """By how much a metric may miss its target before anything is done, upwards and downwards."""

    up: float = TOLERANCE
    down: float = TOLERANCE

    def hold(self, ratio: float) -> bool:
        """ratio: of what is used to what should be."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Policy:
    """So many pods, or so many percent of the pods there were, within a period."""

    is_percent: bool
    value: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one direction. select: Max, Min or Disabled."""

    window_s: float
    select: str
    policies: tuple[Policy, ...]

    @property
    def longest_s(self) -> float:
        return max((policy.period_s for policy in self.policies), default=0.0)


@dataclass(frozen=True, slots=True)
class Behavior:
    up: Rules
    down: Rules


def spec(obj: Object) -> Object:
    found: Object = obj.get("spec") or {}
    return found


def status(obj: Object) -> Object:
    found: Object = obj.get("status") or {}
    return found


def least(hpa: Object) -> int:
    stated: int | None = spec(hpa).get("minReplicas")
    return 1 if stated is None else stated


def most(hpa: Object) -> int:
    return int(spec(hpa).get("maxReplicas") or 0)


def replicas(part: Object) -> int:
    """Of a Scale's spec or status."""
    return int(part.get("replicas") or 0)


def tolerances(hpa: Object) -> Tolerances:
    behavior = spec(hpa).get("behavior") or {}
    up, down = ((behavior.get(name) or {}).get("tolerance") for name in ("scaleUp", "scaleDown"))
    return Tolerances(*(TOLERANCE if each is None else float(Quantity.of(each).amount) for each in (up, down)))


def behavior(hpa: Object) -> Behavior | None:
    """None for an autoscaler that says nothing of how fast it goes."""
    stated = spec(hpa).get("behavior")
    if stated is None:
        return None
    return Behavior(_rules(stated.get("scaleUp") or {}, 0.0), _rules(stated.get("scaleDown") or {}, DOWNSCALE_WINDOW_S))


def _rules(stated: Object, window_s: float) -> Rules:
    window = stated.get("stabilizationWindowSeconds")
    policies = tuple(
        Policy(each.get("type") == "Percent", int(each.get("value") or 0), float(each.get("periodSeconds") or 0))
        for each in stated.get("policies") or ()
    )
    return Rules(window_s if window is None else float(window), stated.get("selectPolicy") or "Max", policies)
