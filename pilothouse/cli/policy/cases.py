"""A case of `ph policy test`: who may reach whom on what, and what has come out (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

PROTOCOLS = ("TCP", "UDP", "SCTP", "ICMP")
WITH_PORTS = PROTOCOLS[:3]
FAMILIES = ("IPv4", "IPv6")
ALLOWED, DENIED = "allowed", "denied"


@dataclass(frozen=True, slots=True)
class End:
    """One side: a pod or workload by its name, pods by labels, an address, or the cluster's DNS. shown: as its author has written it."""

    shown: str
    namespace: str = ""
    name: str = ""
    labels: Mapping[str, str] | None = None
    address: str = ""
    is_dns: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """port: a number, or the name of a port of the target; "" for protocols without ports. expected: allowed or denied.

    family: "IPv4" or "IPv6"; "" for each that both ends have addresses of.
    """

    source: End
    target: End
    protocol: str
    port: str
    expected: str
    family: str = ""

    @property
    def shown(self) -> str:
        on = f"{self.protocol.lower()}/{self.port}" if self.port else self.protocol.lower()
        return f"{self.source.shown} -> {self.target.shown} {on}{f' over {self.family}' if self.family else ''}"


@dataclass(frozen=True, slots=True)
class Result:
    """is_allowed: None when it was not tried, which `skipped` says why. by: who has decided, in words. disagrees: what the rules say, where
    packets did otherwise. would: policies in rehearsal that would refuse it. family: where another one fared otherwise."""

    case: Case
    is_allowed: bool | None
    by: str = ""
    skipped: str = ""
    disagrees: str = ""
    would: tuple[str, ...] = field(default=())
    family: str = ""

    @property
    def found(self) -> str:
        return "" if self.is_allowed is None else ALLOWED if self.is_allowed else DENIED

    @property
    def has_passed(self) -> bool:
        return self.found == self.case.expected and not self.disagrees

    def sentence(self) -> str:
        rehearsed = f"; in rehearsal, and would refuse it: {', '.join(self.would)}" if self.would else ""
        if self.skipped:
            return f"{self.case.shown}: not tried: {self.skipped}"
        over = f" over {self.family}, and not over the other family" if self.family else ""
        if self.disagrees:
            return f"{self.case.shown}: packets say {self.found}{over}, the rules {self.disagrees} ({self.by}){rehearsed}"
        if self.has_passed:
            return f"{self.case.shown} {self.found}: {self.by}{rehearsed}"
        return f"{self.case.shown}: expected {self.case.expected}, is {self.found}{over}: {self.by}{rehearsed}"

    def as_data(self) -> dict[str, Any]:
        case = self.case
        asked = {
            "from": case.source.shown,
            "to": case.target.shown,
            "protocol": case.protocol,
            "port": case.port,
            "expected": case.expected,
        }
        said = {"found": self.found or None, "passed": self.has_passed, "by": self.by}
        more = {"skipped": self.skipped, "rulesSay": self.disagrees, "wouldRefuse": list(self.would), "family": self.family or case.family}
        return asked | said | {key: value for key, value in more.items() if value}


def of_families(results: Sequence[tuple[str, Result]]) -> Result:
    """One for the case, of what came out in each IP family: a case holds when it holds in all of them."""
    family, worst = next((each for each in results if not each[1].has_passed), results[0])
    return replace(worst, family=family) if len({result.found for _, result in results}) > 1 else worst
