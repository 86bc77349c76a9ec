"""What the gateway routes, from Ingresses, Services, EndpointSlices and TLS Secrets (pure).

A host belongs to the namespace of the oldest Ingress that names it, in a rule or for TLS: those of other namespaces get neither
paths nor certificates of it, unless the IngressClass shares the host. Within that, the paths of all Ingresses are merged, exact
ones before prefixes and longer before shorter; of two that claim the same path the older Ingress wins, and the other one is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Literal

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.sharing import is_shared
from pilothouse.platform.gateway import classes
from pilothouse.platform.gateway.certificates import Pair, Verdicts, pair_of

UNAVAILABLE = "gateway.pilothouse.dev/unavailable"
"""Annotation of an Ingress: the sentence that is answered, with status 503, while none of its endpoints can take a request."""
_LONGEST_SENTENCE = 500
Match = Literal["exact", "prefix"]
Health = Literal["HEALTHY", "DRAINING"]


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service's port: what Envoy calls a cluster."""

    namespace: str
    service: str
    port: str

    @property
    def cluster(self) -> str:
        return f"{self.namespace}/{self.service}/{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    path: str
    match: Match
    backend: Backend
    ingress: str
    unavailable: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A pair and the host names that it serves."""

    hosts: tuple[str, ...]
    pair: Pair


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: str
    port: int
    health: Health


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about an Ingress that the gateway cannot do; told on the object."""

    ingress: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Table:
    """hosts: host ("*" for any) -> its routes in the order they are tried. endpoints: cluster -> where it sends to.

    certificates: those that are served. pairs: all that Ingresses name, those without a verdict and the refused ones included.
    """

    hosts: dict[str, tuple[Route, ...]]
    endpoints: dict[str, tuple[Endpoint, ...]]
    certificates: tuple[Certificate, ...]
    pairs: tuple[Pair, ...]
    problems: tuple[Problem, ...]
    ingresses: frozenset[str]


@dataclass(frozen=True, slots=True)
class World:
    """What the table is made from; each mapping by `namespace/name`. slices: by the key of their Service. verdicts: on pairs."""

    ingresses: Iterable[Object]
    classes: Iterable[Object]
    services: Mapping[str, Object]
    slices: Mapping[str, list[Object]]
    secrets: Mapping[str, Object]
    verdicts: Verdicts = field(default_factory=dict)


def table(world: World) -> Table:
    problems: list[Problem] = []
    served = classes.served(world.ingresses, world.classes)
    served.sort(key=lambda i: (i["metadata"].get("creationTimestamp", ""), meta.key(i)))
    hosts: dict[str, dict[tuple[str, Match], Route]] = {}
    holders = _holders(served, classes.ours(world.classes))
    for ingress in served:
        lost = _hosts_of(ingress) - _held(ingress, holders)
        problems += [Problem(meta.key(ingress), "HostTaken", _held_by(host, holders[host])) for host in sorted(lost)]
        for host, route in _routes(ingress, problems):
            if host in lost:
                continue
            taken = hosts.setdefault(host, {}).setdefault((route.path, route.match), route)
            if taken.ingress != route.ingress:
                text = f"{host}{route.path} is served by ingress {taken.ingress}, which is older"
                problems.append(Problem(meta.key(ingress), "PathTaken", text))
    backends = {route.backend for routes in hosts.values() for route in routes.values()}
    named = list(_named_pairs(served, world, holders, problems))
    return Table(
        hosts={host: tuple(sorted(routes.values(), key=_order)) for host, routes in sorted(hosts.items())},
        endpoints={b.cluster: _endpoints(b, world) for b in sorted(backends, key=lambda b: b.cluster)},
        certificates=tuple(_certificates(named, world.verdicts, problems)),
        pairs=tuple({pair.digest: pair for _, _, _, pair in named}.values()),
        problems=tuple(problems),
        ingresses=frozenset(meta.key(i) for i in served),
    )


def _hosts_of(ingress: Object) -> set[str]:
    """All that it names; "*" for any."""
    spec = ingress["spec"]
    rules = {rule.get("host") or "*" for rule in spec.get("rules") or ()}
    secured = {host for entry in spec.get("tls") or () if entry.get("secretName") for host in entry.get("hosts") or ("*",)}
    return rules | secured | ({"*"} if spec.get("defaultBackend") and not rules else set())


def _holders(served: Sequence[Object], ours: Sequence[Object]) -> dict[str, str]:
    """Host -> the Ingress whose namespace has it; hosts that namespaces share are missing. served: the oldest first."""
    found: dict[str, str] = {}
    for ingress in served:
        for host in _hosts_of(ingress):
            found.setdefault(host, meta.key(ingress))
    return {host: key for host, key in found.items() if not is_shared(host, ours)}


def _held(ingress: Object, holders: Mapping[str, str]) -> set[str]:
    """The hosts of an Ingress that it may have."""
    own = meta.namespace(ingress)
    return {host for host in _hosts_of(ingress) if holders.get(host, f"{own}/").partition("/")[0] == own}


def _held_by(host: str, holder: str) -> str:
    shown = "every host that nobody names" if host == "*" else f"host {host}"
    return f"{shown} belongs to namespace {holder.partition('/')[0]}, by its ingress {holder}, which is older"


def _routes(ingress: Object, problems: list[Problem]) -> Iterable[tuple[str, Route]]:
    spec, key = ingress["spec"], meta.key(ingress)
    sentence = meta.annotations(ingress).get(UNAVAILABLE, "")[:_LONGEST_SENTENCE]
    for rule in spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            backend = _backend(ingress, path["backend"], problems)
            if any(mark in path.get("path", "") for mark in "?#"):
                problems.append(Problem(key, "PathNotSupported", f"path {path['path']} has a ? or #, which no request's path has"))
            elif backend is not None:
                match: Match = "exact" if path.get("pathType") == "Exact" else "prefix"
                yield rule.get("host") or "*", Route(path.get("path") or "/", match, backend, key, sentence)
    if spec.get("defaultBackend") and (backend := _backend(ingress, spec["defaultBackend"], problems)) is not None:
        for host in {rule.get("host") or "*" for rule in spec.get("rules") or ()} | ({"*"} if not spec.get("rules") else set()):
            yield host, Route("/", "prefix", backend, key, sentence)


def _backend(ingress: Object, backend: Object, problems: list[Problem]) -> Backend | None:
    service = backend.get("service")
    if service is None:
        problems.append(Problem(meta.key(ingress), "BackendNotSupported", "a resource backend is not supported: name a service"))
        return None
    port = service.get("port") or {}
    return Backend(meta.namespace(ingress), service["name"], str(port.get("name") or port.get("number", "")))


def _order(route: Route) -> tuple[bool, int, str]:
    return route.match != "exact", -len(route.path), route.path


def _endpoints(backend: Backend, world: World) -> tuple[Endpoint, ...]:
    """Ready endpoints take requests; terminating ones that still serve finish what they have."""
    key = f"{backend.namespace}/{backend.service}"
    service = world.services.get(key)
    port = _service_port(service, backend.port) if service is not None else None
    if port is None:
        return ()
    found: dict[tuple[str, int], Endpoint] = {}
    for piece in world.slices.get(key, ()):
        number = _slice_port(piece, port)
        for endpoint in piece.get("endpoints") or () if number else ():
            health = _health(endpoint.get("conditions") or {})
            for address in _canonical(endpoint.get("addresses", ())[:1]) if health else ():
                assert number is not None
                assert health is not None
                found[address, number] = Endpoint(address, number, health)
    return tuple(found[at] for at in sorted(found))


def _canonical(addresses: Iterable[str]) -> Iterable[str]:
    """IP addresses in one spelling. Others are left out: Envoy refuses the names that slices of address type FQDN hold, and zones."""
    for text in addresses:
        with suppress(ValueError):
            address = ip_address(text)
            if not isinstance(address, IPv6Address) or address.scope_id is None:
                yield str(address)


def _service_port(service: Object, port: str) -> Object | None:
    for candidate in service["spec"].get("ports") or ():
        if port in (candidate.get("name"), str(candidate["port"])):
            chosen: Object = candidate
            return chosen
    return None


def _slice_port(piece: Object, port: Object) -> int | None:
    for candidate in piece.get("ports") or ():
        if (candidate.get("name") or "") == (port.get("name") or ""):
            return int(candidate["port"]) if candidate.get("port") else None
    return None


def _health(conditions: Object) -> Health | None:
    if conditions.get("ready", True):
        return "HEALTHY"
    return "DRAINING" if conditions.get("serving") and conditions.get("terminating") else None


_Named = tuple[str, str, tuple[str, ...], Pair]
"""Ingress, Secret, hosts ("*" for any) and what the Secret holds."""


def _named_pairs(ingresses: Iterable[Object], world: World, holders: Mapping[str, str], problems: list[Problem]) -> Iterable[_Named]:
    for ingress in ingresses:
        for entry in ingress["spec"].get("tls") or ():
            name, held = entry.get("secretName", ""), _held(ingress, holders)
            hosts = tuple(host for host in entry.get("hosts") or ("*",) if host in held)
            if not name or not hosts:
                continue  # The gateway's own certificate serves these hosts, or that of the namespace which has them.
            pair = pair_of(world.secrets.get(f"{meta.namespace(ingress)}/{name}"))
            if isinstance(pair, str):
                problems.append(Problem(meta.key(ingress), "NoCertificate", f"secret {name} for TLS {pair}"))
            else:
                yield meta.key(ingress), name, hosts, pair


def _certificates(named: Iterable[_Named], verdicts: Verdicts, problems: list[Problem]) -> Iterable[Certificate]:
    """Pairs that Envoy takes; of two for the same host the older Ingress's."""
    taken: set[str] = set()
    for ingress, name, hosts, pair in named:
        verdict = verdicts.get(pair.digest)
        free = tuple(dict.fromkeys(host for host in hosts if host not in taken))
        if verdict:
            problems.append(Problem(ingress, "NoCertificate", f"secret {name} for TLS {verdict}"))
        elif verdict is not None and free:
            taken.update(free)
            yield Certificate(free, pair)
