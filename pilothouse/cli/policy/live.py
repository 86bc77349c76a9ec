"""Tries cases with packets between pods of the running cluster, and asks the judge about the same pods: both must say the same."""

import asyncio
import os
from collections.abc import Sequence

from pilothouse.cli.policy import arrival, offline
from pilothouse.cli.policy.cases import ALLOWED, DENIED, Case, Result, of_families
from pilothouse.cli.policy.suite import SuiteError
from pilothouse.client.client import Client
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
    cluster = offline.Cluster([each for kind in (NAMESPACES, NODES, PODS) for each in await _all(client, kind)] + await _policies(client))
    places = await asyncio.to_thread(arrival.namespaces)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> Result:
        async with turns:
            return await _tried(case, cluster, places)

    return list(await asyncio.gather(*map(one, cases)))


async def _policies(client: Client) -> list[Object]:
    try:
        of_cluster = await _all(client, CLUSTERNETWORKPOLICIES)
    except NotFound:
        of_cluster = []
    return [*await _all(client, NETWORKPOLICIES), *of_cluster]


async def _all(client: Client, kind: Resource) -> list[Object]:
    """With their kind, which objects of a list may lack. Pods that have ended or are in the network of their node are no pods here."""
    return [{**each, "kind": kind.kind} for each in (await client.list_all(kind)).items if kind is not PODS or _has_network(each)]


def _has_network(pod: Object) -> bool:
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") == "Running" and not pod["spec"].get("hostNetwork")


async def _tried(case: Case, cluster: offline.Cluster, places: dict[str, str]) -> Result:
    source, target = cluster.running(case.source), cluster.running(case.target)
    if source is None or target is None:
        return Result(case, None, skipped="packets are sent between pods that run; an address and `dns` are none")
    pairs = offline.pairs(case, cluster, source, target)
    if away := [address for pair in pairs for address in pair if address not in places]:
        pod = source if away[0] in source.addresses else target
        return Result(case, None, skipped=f"pod {pod.key} runs on another machine: run this where both pods run")
    return of_families([(offline.family(pair), await _sent(case, cluster, target, pair, places)) for pair in pairs])


async def _sent(case: Case, cluster: offline.Cluster, target: PodFacts, pair: tuple[str, str], places: dict[str, str]) -> Result:
    """What becomes of a packet, and what the rules say of it."""
    (own, other), found = pair, offline.judged_by(case, cluster, target, pair)
    probe = arrival.Probe(own, other, case.protocol.lower(), offline.port_number(case, target), places[own], places[other])
    is_allowed = await asyncio.to_thread(arrival.arrives, probe)
    disagrees = "" if is_allowed == found.passes else ALLOWED if found.passes else DENIED
    return Result(case, is_allowed, offline.words(found), disagrees=disagrees, would=found.would)
