"""Chains and sets of a port whose clients stay with their endpoint (`sessionAffinity: ClientIP`). Pure.

Each endpoint has a set of the clients that it knows, which the kernel fills and empties by itself.
"""

import hashlib
from collections.abc import Sequence

from pilothouse.model.json import Object
from pilothouse.network.service.chains import REFUSE, Chains, goto, mark, named
from pilothouse.network.service.config import FamilyConfig
from pilothouse.network.service.endpoints import Endpoint

DEFAULT_AFFINITY_S, MOST_AFFINITY_S = 10_800, 86_400


def affinity_s(spec: Object) -> int:
    """Seconds after which a client is forgotten; 0 for services without affinity. Raises ValueError for others than the API allows."""
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    configured = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    seconds = int(configured.get("timeoutSeconds") or DEFAULT_AFFINITY_S)
    if not 0 < seconds <= MOST_AFFINITY_S:
        raise ValueError(f"its clients cannot be remembered for {seconds} s: {MOST_AFFINITY_S} are the most")
    return seconds


class Affinity:
    """Of one port. chains, sets: are added to."""

    def __init__(self, config: FamilyConfig, title: str, protocol: str, seconds: int) -> None:
        self._config = config
        self._title = title
        self._protocol = protocol
        self._seconds = seconds
        # Names of sets stay what they are from release to release: what is in them is taken over.
        self._digest = hashlib.sha256(title.encode()).hexdigest()[:8]
        self.chains: Chains = {}
        self.sets: dict[str, int] = {}

    def pick(self, endpoints: Sequence[Endpoint]) -> str:
        """The verdict that leads known clients where they were and others anywhere."""
        if not endpoints:
            return goto(REFUSE)
        for endpoint in endpoints:
            self.chains[self._endpoint_chain(endpoint)] = self._remember(endpoint)
            self.sets[self._set(endpoint)] = self._seconds
        saddr = f"{self._config.family.name} saddr"
        known = (f"{saddr} @{self._set(endpoint)} goto {self._endpoint_chain(endpoint)}" for endpoint in endpoints)
        led = ", ".join(f"{number} : goto {self._endpoint_chain(endpoint)}" for number, endpoint in enumerate(endpoints))
        rules = (mark(self._config), *known, f"numgen random mod {len(endpoints)} vmap {{ {led} }}")
        name = named("s", *rules, title=self._title)
        self.chains[name] = rules
        return goto(name)

    def _endpoint_chain(self, endpoint: Endpoint) -> str:
        return f"e-{self._digest}-{_shown(endpoint)}/{self._seconds}"

    def _set(self, endpoint: Endpoint) -> str:
        """The kernel cannot change a set's time-out: another one is another set."""
        return f"a-{self._digest}-{_shown(endpoint)}/{self._seconds}"

    def _remember(self, endpoint: Endpoint) -> tuple[str, ...]:
        address = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
        return (
            f"update @{self._set(endpoint)} {{ {self._config.family.name} saddr }}",
            f"meta l4proto {self._protocol} dnat to {address}:{endpoint.port}",
        )


def _shown(endpoint: Endpoint) -> str:
    """As a part of a name of nftables, in which colons have a meaning."""
    return f"{endpoint.address.replace(':', '_')}/{endpoint.port}"
