"""Network policies on a node of 1,000 pods and 500 policies: from a change that the node hears of to the rules in the kernel.

In a network namespace of its own, without an instance: what is measured is the part's own work and nftables'. `floor` is an empty
transaction beside it, in the same namespace: one element of a set of another table.
"""

import asyncio
import ctypes
import os
import random
from concurrent.futures import ThreadPoolExecutor

from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, milliseconds, now
from pilothouse.linux.nft import Nft, open_nft
from pilothouse.model.json import Object
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.network_policy import parse
from pilothouse.network.policy.pods import PodFacts
from pilothouse.network.policy.table import Table
from pilothouse.network.policy.world import World

PODS, POLICIES, NAMESPACES, APPS = 1000, 500, 50, 10
_CLONE_NEWNET = 0x40000000
CONFIG = NetworkPolicyConfig(
    instance="bench", node="here", dns_addresses=("10.1.0.1",), local_cidrs=("10.1.0.0/20",), cluster_cidrs=("10.0.0.0/8",)
)


async def run(context: Context) -> Figures:
    with ThreadPoolExecutor(1) as thread:
        await asyncio.get_running_loop().run_in_executor(thread, _alone)
        world = World(CONFIG)
        began = now()
        _fill(world)
        known = now()
        table = await Table.opened(CONFIG, thread)
        try:
            await table.write(world)
            begun: Figures = {"policies_read_ms": milliseconds(known - began), "whole_table_ms": milliseconds(now() - known)}
            context.say("changes -> rules live")
            times = context.pick(200, 20)
            changed = [await _changed(world, table, number) for number in range(times)]
            come = [await _come(world, table, number) for number in range(times)]
            refusals = [await _timed(table) for _ in range(times)]
            nft = await asyncio.get_running_loop().run_in_executor(thread, _other)
            floor = [await asyncio.get_running_loop().run_in_executor(thread, _floor, nft, number) for number in range(times)]
        finally:
            table.close()
    return {
        **begun,
        "policy_changed": latencies(changed),
        "pod_came": latencies(come),
        "refusals_looked_at": latencies(refusals),
        "floor": latencies(floor),
    }


def _alone() -> None:
    """This thread, which ends with the benchmark, sees an empty network."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "a network namespace cannot be made")


def _fill(world: World) -> None:
    for number in range(NAMESPACES):
        world.set_namespace(f"n{number}", {"team": str(number % 25)})
    for number in range(POLICIES):
        world.set_policy(_key(number), parse(_policy(number, 80)))
    for number in range(PODS):
        world.set_pod(f"n{number % NAMESPACES}/x{number}", _pod(number))


def _key(number: int) -> str:
    return f"n{number % NAMESPACES}/p{number}"


def _policy(number: int, port: int) -> Object:
    app, peer = f"a{number // NAMESPACES % APPS}", f"a{(number + 1) % APPS}"
    peers = [{"podSelector": {"matchLabels": {"app": peer}}}, {"namespaceSelector": {"matchLabels": {"team": str(number % 25)}}}]
    spec = {
        "podSelector": {"matchLabels": {"app": app}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": peers, "ports": [{"protocol": "TCP", "port": port}]}],
        "egress": [{"to": [{"podSelector": {}}]}],
    }
    return {"metadata": {"name": f"p{number}", "namespace": f"n{number % NAMESPACES}"}, "spec": spec}


def _pod(number: int) -> PodFacts:
    namespace, address = f"n{number % NAMESPACES}", f"10.1.{number // 250}.{number % 250 + 2}"
    labels = {"app": f"a{number // NAMESPACES % APPS}"}
    return PodFacts(f"{namespace}/x{number}", namespace, labels, "here", (address,), (("tcp", "http", 80),), (False, True, ""))


async def _changed(world: World, table: Table, number: int) -> float:
    which, began = random.randrange(POLICIES), now()
    world.set_policy(_key(which), parse(_policy(which, 1000 + number)))
    await table.write(world)
    return now() - began


async def _come(world: World, table: Table, number: int) -> float:
    pod, began = _pod(PODS + number), now()
    world.set_pod(pod.key, pod)
    await table.write(world)
    return now() - began


async def _timed(table: Table) -> float:
    began = now()
    await table.refusals()
    return now() - began


def _other() -> Nft:
    nft = open_nft()
    nft.run(f"add table ip floor-{os.getpid()}\nadd set ip floor-{os.getpid()} s {{ type ipv4_addr; }}\n")
    return nft


def _floor(nft: Nft, number: int) -> float:
    began = now()
    nft.run(f"add element ip floor-{os.getpid()} s {{ 10.0.{number // 250}.{number % 250} }}\n")
    return now() - began
