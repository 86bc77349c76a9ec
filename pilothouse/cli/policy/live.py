"""Tries cases with packets between pods of the running cluster, and asks the judge about the same pods: both must say the same."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from pilothouse.cli.policy import arrival, offline
from pilothouse.cli.policy.cases import ALLOWED, DENIED, Case, End, Result, of_families
from pilothouse.cli.policy.suite import SuiteError
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, NETWORKPOLICIES, NODES, PODS
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES
from pilothouse.model.resource import Resource
from pilothouse.network.policy.pods import PodFacts

AT_ONCE = 8
"""Cases that are tried side by side."""


async def tried(client: Client, cases: Sequence[Case]) -> list[Result]:
    """Raises SuiteError, ApiError."""
    if os.geteuid() != 0:
        raise SuiteError("--live enters the network of pods, which only root may: run it with sudo, or leave --live out")
    pods = await _all(client, PODS)
    others = [each for kind in (NAMESPACES, NODES) for each in await _all(client, kind)]
    cluster = offline.Cluster([*others, *filter(_has_network, pods), *await _policies(client)])
    left_out = [each for each in pods if not _has_network(each)]
    places = await asyncio.to_thread(arrival.namespaces)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> Result:
        async with turns:
            return await of_case(case, cluster, places, left_out)

    return list(await asyncio.gather(*map(one, cases)))


async def _policies(client: Client) -> list[Object]:
    try:
        of_cluster = await _all(client, CLUSTERNETWORKPOLICIES)
    except NotFound:
        of_cluster = []
    return [*await _all(client, NETWORKPOLICIES), *of_cluster]


async def _all(client: Client, kind: Resource) -> list[Object]:
    """With their kind, which objects of a list may lack."""
    return [{**each, "kind": kind.kind} for each in (await client.list_all(kind)).items]


def _has_network(pod: Object) -> bool:
    """Whether it runs, and in a network of its own: of others no packets are sent."""
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") == "Running" and not pod["spec"].get("hostNetwork")


async def of_case(case: Case, cluster: offline.Cluster, places: Mapping[str, str], left_out: Sequence[Object] = ()) -> Result:
    """A case that cannot be tried says why, and keeps no other from it. places: the network namespace of each address on this machine.
    left_out: pods that are not in the cluster."""
    source, target = cluster.running(case.source), cluster.running(case.target)
    if source is None or target is None:
        return Result(case, None, skipped=_not_there(case.source if source is None else case.target, left_out))
    try:
        pairs = offline.pairs(case, cluster, source, target)
        offline.port_number(case, target)
    except SuiteError as error:
        return Result(case, None, skipped=str(error).removeprefix(f"{case.shown}: "))
    if away := [address for pair in pairs for address in pair if address not in places]:
        pod = source if away[0] in source.addresses else target
        return Result(case, None, skipped=f"pod {pod.key} runs on another machine: run this where both pods run")
    try:
        return of_families([(offline.family(pair), await _sent(case, cluster, target, pair, places)) for pair in pairs])
    except OSError as error:
        return Result(case, None, skipped=f"no packet can be sent: {error.strerror or error}; the pod may have ended just now")


def _not_there(end: End, left_out: Sequence[Object]) -> str:
    """Why no packet is sent of this end."""
    if end.is_dns or end.address:
        return "packets are sent between pods that run; an address and `dns` are none"
    for pod in sorted(left_out, key=meta.key):
        if offline.is_meant(end, meta.namespace(pod), meta.name(pod), meta.labels(pod)):
            if pod["spec"].get("hostNetwork"):
                return f"pod {meta.key(pod)} is in the network of its node: no policy selects it"
            return f"pod {meta.key(pod)} does not run: {(pod.get('status') or {}).get('phase') or 'Pending'}"
    return f"no pod of {end.shown} is there"


async def _sent(case: Case, cluster: offline.Cluster, target: PodFacts, pair: tuple[str, str], places: Mapping[str, str]) -> Result:
    """What becomes of a packet, and what the rules say of it."""
    (own, other), found = pair, offline.judged_by(case, cluster, target, pair)
    probe = arrival.Probe(own, other, case.protocol.lower(), offline.port_number(case, target), places[own], places[other])
    is_allowed = await asyncio.to_thread(arrival.arrives, probe)
    disagrees = "" if is_allowed == found.passes else ALLOWED if found.passes else DENIED
    return Result(case, is_allowed, offline.words(found), disagrees=disagrees, would=found.would)
