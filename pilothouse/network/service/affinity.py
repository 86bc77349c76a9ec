"""How clients stay with their endpoint (`sessionAffinity: ClientIP`). Pure.

What a node remembers is an element of a set that services share, filled and emptied by the kernel: client, frontend and the endpoint's
seat. An endpoint keeps its seat for as long as it is one, so a client is found at the seat where it was, whoever comes and goes beside. The
seat of one that has left is free: a client that is found there is forgotten and led anywhere. Seats are tried one after the other, up to a
power of two above the highest one, so that services that need the same chains share them.

nft(8) 1.0.6 cannot make a map of such keys from packets (an assertion of its own ends the process for IPv6), so there is a set, and trying.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from pilothouse.model.json import Object
from pilothouse.network.service.chains import (
    LOCAL_BASE,
    MOST_ENDPOINTS,
    NODE_PORT_PICKS,
    PICKS,
    Chains,
    destination,
    goto,
    mark,
    numbered,
    random_number,
    to_endpoint,
)
from pilothouse.network.service.config import FamilyConfig
from pilothouse.network.service.endpoints import Target

DEFAULT_AFFINITY_S, MOST_AFFINITY_S = 10_800, 86_400
SETS = 16
"""Over which namespaces are spread: who has too many clients leaves the services of most others theirs."""
MOST_CLIENTS = 131_072
"""In a set; further ones are routed like any other client, each connection anew."""
NOWHERE = numbered(MOST_ENDPOINTS)
"""No seat: they are fewer than that."""

Seats = Mapping[Target, int]


class Affinity(NamedTuple):
    """Of a service. seconds: after which a client is forgotten. clients: the name of the set that it is in."""

    seconds: int
    clients: str


class Pick(NamedTuple):
    """What a chain picks from. endpoints: how many. seats: more than the highest one of theirs. is_local: numbered from LOCAL_BASE."""

    endpoints: int
    seats: int
    is_local: bool = False
    is_node_port: bool = False


def affinity_of(service: Object) -> Affinity | None:
    """None for services without affinity. Raises ValueError for others than the API allows."""
    spec = service["spec"]
    if spec.get("sessionAffinity") != "ClientIP":
        return None
    configured = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    seconds = int(configured.get("timeoutSeconds") or DEFAULT_AFFINITY_S)
    if not 0 < seconds <= MOST_AFFINITY_S:
        raise ValueError(f"its clients cannot be remembered for {seconds} s: {MOST_AFFINITY_S} are the most")
    return Affinity(seconds, f"clients-{crc32(service['metadata']['namespace'].encode()) % SETS}")


def seated(before: Seats, wanted: Iterable[Target]) -> dict[Target, int]:
    """Seats of the wanted ones: those that they have had, else the lowest that are free."""
    targets = dict.fromkeys(wanted)
    kept = {target: before[target] for target in targets if target in before}
    free = _free(frozenset(kept.values()))
    return {target: kept[target] if target in kept else next(free) for target in targets}


def _free(taken: frozenset[int]) -> Iterator[int]:
    number = 0
    while True:
        if number not in taken:
            yield number
        number += 1


def seats_of(seats: Seats) -> int:
    """The power of two up to which they are tried."""
    return 1 << max(seats.values(), default=0).bit_length()


def stay(into: Chains, config: FamilyConfig, affinity: Affinity, pick: Pick) -> str:
    """The verdict that leads known clients where they were and others anywhere. pick: with endpoints."""
    into.update(_chains(config, affinity, pick))
    return goto(f"{_named('stay', affinity, pick)}/{pick.endpoints}")


def _chains(config: FamilyConfig, affinity: Affinity, pick: Pick) -> Chains:
    keep, known, stays = (_named(kind, affinity, pick) for kind in ("keep", "known", "stay"))
    client = _client(config)
    picks = NODE_PORT_PICKS if pick.is_node_port else PICKS
    return {
        # Returns when the endpoint has left.
        keep: (
            f"update @{affinity.clients} {{ {client} timeout {affinity.seconds}s }}",
            to_endpoint(config, is_node_port=pick.is_node_port),
            f"delete @{affinity.clients} {{ {client} }}",
        ),
        known: _known(config, affinity.clients, pick.seats, pick.is_local),
        f"{stays}/{pick.endpoints}": (
            mark(config),
            f"jump {known}",
            f"meta priority != {NOWHERE} jump {keep}",
            f"meta priority set {random_number(pick.endpoints, is_local=pick.is_local)}",
            f"meta priority set {destination(config, is_node_port=pick.is_node_port)} . meta priority map @{picks}",
            goto(keep),
        ),
    }


@lru_cache(maxsize=64)
def _known(config: FamilyConfig, clients: str, seats: int, is_local: bool) -> tuple[str, ...]:
    """Returns with the client's seat as the priority: the kernel goes through all jumps that there are whenever a verdict changes. As many
    rules as seats, so services share them whatever their time-out, and few are kept."""
    base, client = LOCAL_BASE if is_local else 0, _client(config)
    sought = (f"meta priority set {numbered(base + seat)} {client} @{clients} return" for seat in range(seats))
    return *sought, f"meta priority set {NOWHERE}"


def _named(kind: str, affinity: Affinity, pick: Pick) -> str:
    """Of a chain, by all that is in it but the number of endpoints."""
    which = ("node-" if pick.is_node_port else "") + kind
    if kind != "keep":
        which += f"-{'local-' if pick.is_local else ''}{pick.seats}"
    return f"{which}/{affinity.clients}" + ("" if kind == "known" else f"/{affinity.seconds}s")


def _client(config: FamilyConfig) -> str:
    family = config.family.name
    return f"{family} saddr . {family} daddr . meta l4proto . th dport . meta priority"
