"""What a finding means, in one sentence with a way out. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.model.cluster_network import BGP, VXLAN, WIREGUARD, WIREGUARD_PORT, carrier
from pilothouse.model.json import Object
from pilothouse.network.backends.selftest.half_open import Answer
from pilothouse.network.backends.selftest.probe import Finding

CONDITION = "PodNetworkDegraded"
WORKS = "PodNetworkWorks"
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    reason: str
    message: str


def trouble(found: Finding, spec: Object) -> Verdict | None:
    """None where packets come back, also where only smaller ones do, and what has to listen does."""
    target = found.target
    if found.bgp is not Answer.OPEN and (found.fits or found.host_answers):
        return _closed(found)
    if found.fits:
        return None
    if found.unchecked:
        return Verdict(
            "ChecksumsWrong", f"{target.node}: only packets without a checksum arrive: switch checksum offload off at the network cards"
        )
    if not found.host_answers:
        return Verdict(
            "NodeUnreachable", f"{target.node}: neither the machine ({target.host}) nor its pods' gateway {target.other} answers"
        )
    if port := _tunnel_port(spec):
        said = f"{target.node}: {target.host} answers pings, but nothing comes through the tunnel"
        return Verdict("TunnelBlocked", f"{said}: let UDP port {port} through between the nodes")
    said = f"{target.node}: {target.host} answers pings, but its pods' gateway {target.other} does not"
    cause = "something between drops pods' packets"
    if carrier(spec) == BGP:
        cause = f"no route there has come by BGP (`ph network bgp` shows the sessions), or {cause}"
    return Verdict("PodNetworkBlocked", f"{said}: {cause}; `ph network set --backend vxlan` wraps them in packets of the nodes")


def _closed(found: Finding) -> Verdict:
    assert found.target.bgp is not None
    host, port = found.target.bgp.host, found.target.bgp.port
    what = "does not answer" if found.bgp is Answer.NONE else "refuses"
    way_out = f"let TCP port {port} through between the nodes, in both directions"
    if found.bgp is Answer.REFUSED:
        way_out = f"see whether BIRD runs there (condition BGPSessionsDown), and {way_out}"
    return Verdict("BGPPortBlocked", f"{found.target.node}: {host} {what} at TCP port {port}, by which nodes speak BGP: {way_out}")


def _tunnel_port(spec: Object) -> int:
    """0 where packets go without a tunnel."""
    ports = {VXLAN: spec["vxlan"]["port"], WIREGUARD: WIREGUARD_PORT}
    return int(ports.get(carrier(spec), 0))


def summary(troubles: Mapping[str, Verdict], limits: Mapping[str, int]) -> tuple[bool, Verdict]:
    """Whether something is wrong, and what the Node's condition says. limits: by node, the largest packet that its path carries."""
    if troubles:
        said = [troubles[name] for name in sorted(troubles)]
        return True, Verdict(said[0].reason, _joined(each.message for each in said))
    if limits:
        held = _joined(f"{name}: packets of pods are held to {limits[name]} bytes, all that the path carries" for name in sorted(limits))
        return False, Verdict("PathNarrow", held)
    return False, Verdict(WORKS, "the nodes that were tried answer")


def _joined(sentences: Iterable[str]) -> str:
    found = list(sentences)
    more = f"; and {len(found) - MOST_NAMED} more nodes" if len(found) > MOST_NAMED else ""
    return "; ".join(found[:MOST_NAMED]) + more
