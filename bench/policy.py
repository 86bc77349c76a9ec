"""Network policies on a node of 1,000 pods and 500 policies: from a change that the node hears of to the rules in the kernel.

In a network namespace of its own, without an instance: what is measured is the part's own work and nftables'. `floor` is an empty
transaction beside it, in the same namespace: one element of a set of another table. `wide` is the same with as many selectors as policies,
each of which means all pods but those of one label; the event loop's longest turn meanwhile stands beside the changes.
"""

import asyncio
import ctypes
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, milliseconds, now
from pilothouse.linux.nft import Nft, open_nft
from pilothouse.model.json import Object
from pilothouse.network.policy.backlog import Backlog
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.state import State
from pilothouse.network.policy.table import Table

PODS, POLICIES, NAMESPACES, APPS = 1000, 500, 50, 10
_CLONE_NEWNET = 0x40000000
Policy = Callable[[int, int], Object]
"""A policy by its number, with a port."""
CONFIG = NetworkPolicyConfig(
    instance="bench", node="here", dns_addresses=("10.1.0.1",), local_cidrs=("10.1.0.0/20",), cluster_cidrs=("10.0.0.0/8",)
)


async def run(context: Context) -> Figures:
    with ThreadPoolExecutor(1) as thread:
        await asyncio.get_running_loop().run_in_executor(thread, _alone)
        usual = await _of(context, thread, _policy)
        context.say("wide selectors")
        return {**usual, "wide": await _of(context, thread, _wide)}


async def _of(context: Context, thread: ThreadPoolExecutor, policy: Policy) -> Figures:
    """One table after the other, by the same thread."""
    state, table = State(CONFIG), await Table.opened(CONFIG, thread)
    try:
        began = now()
        await table.write(state, _everything(policy))
        whole_s = now() - began
        context.say("changes -> rules live")
        times = context.pick(200, 20)
        with _Turns() as turns, _Processor() as processor:
            changed = [await _told(state, table, _changed(policy, number)) for number in range(times)]
            of_policies = processor.each_ms(times)
            come = [await _told(state, table, _come(number)) for number in range(times)]
            of_pods = processor.each_ms(times)
        refusals = [await _looked(state, table) for _ in range(times)]
        nft = await asyncio.get_running_loop().run_in_executor(thread, _other)
        floor = [await asyncio.get_running_loop().run_in_executor(thread, _floor, nft, number) for number in range(times)]
        await table.clear()
    finally:
        table.close()
    return {
        "whole_table_ms": milliseconds(whole_s),
        "policy_changed": latencies(changed) | of_policies,
        "pod_came": latencies(come) | of_pods,
        "longest_turn_ms": milliseconds(turns.longest_s),
        "refusals_looked_at": latencies(refusals),
        "floor": latencies(floor),
    }


class _Processor:
    """Processor time of the process, and of the event loop's thread, since this was entered or asked; on a busy machine it says more than
    the clock."""

    def __enter__(self) -> "_Processor":
        self._all, self._loop = time.process_time(), time.thread_time()
        return self

    def each_ms(self, times: int) -> Figures:
        """The mean of as many changes."""
        before = self._all, self._loop
        self._all, self._loop = time.process_time(), time.thread_time()
        whole, loop = ((now - then) / times * 1000 for now, then in zip((self._all, self._loop), before, strict=True))
        return {"cpu": round(whole, 2), "loop_cpu": round(loop, 2)}

    def __exit__(self, *_: object) -> None:
        pass


class _Turns:
    """The longest time that the event loop came late to a timer of 1 ms while this was entered."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> "_Turns":
        self._again()
        return self

    def _again(self) -> None:
        due = asyncio.get_running_loop().time() + 0.001
        self._timer = asyncio.get_running_loop().call_at(due, self._came, due)

    def _came(self, due: float) -> None:
        self.longest_s = max(self.longest_s, asyncio.get_running_loop().time() - due)
        self._again()

    def __exit__(self, *_: object) -> None:
        assert self._timer is not None
        self._timer.cancel()


def _alone() -> None:
    """This thread, which ends with the benchmark, sees an empty network."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "a network namespace cannot be made")


def _everything(policy: Policy) -> Backlog:
    told = Backlog()
    for number in range(NAMESPACES):
        told.namespaces[f"n{number}"] = {"metadata": {"name": f"n{number}", "labels": {"team": str(number % 25)}}}
    for number in range(POLICIES):
        told.policy(_key(number), policy(number, 80))
    for number in range(PODS):
        told.pods[f"n{number % NAMESPACES}/x{number}"] = _pod(number), ()
    return told


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


def _wide(number: int, port: int) -> Object:
    """Its selector is no other policy's, and means all pods."""
    found = _policy(number, port)
    others = {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": [f"z{number}"]}]}
    found["spec"]["ingress"][0]["from"] = [{"namespaceSelector": {}, "podSelector": others}]
    return found


def _pod(number: int) -> Object:
    metadata = {"name": f"x{number}", "namespace": f"n{number % NAMESPACES}", "labels": {"app": f"a{number // NAMESPACES % APPS}"}}
    ports = [{"name": "http", "containerPort": 80, "protocol": "TCP"}]
    address = f"10.1.{number // 250}.{number % 250 + 2}"
    return {
        "metadata": metadata,
        "spec": {"nodeName": "here", "containers": [{"name": "c", "ports": ports}]},
        "status": {"podIP": address, "podIPs": [{"ip": address}]},
    }


def _changed(policy: Policy, number: int) -> Backlog:
    which, told = random.randrange(POLICIES), Backlog()
    told.policy(_key(which), policy(which, 1000 + number))
    return told


def _come(number: int) -> Backlog:
    told, pod = Backlog(), _pod(PODS + number)
    told.pods[f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"] = pod, ()
    return told


async def _told(state: State, table: Table, told: Backlog) -> float:
    began = now()
    await table.write(state, told)
    return now() - began


async def _looked(state: State, table: Table) -> float:
    began = now()
    await table.refusals(state)
    return now() - began


def _other() -> Nft:
    nft = open_nft()
    nft.run(
        f"add table ip floor-{os.getpid()}\nflush table ip floor-{os.getpid()}\nadd set ip floor-{os.getpid()} s {{ type ipv4_addr; }}\n"
    )
    return nft


def _floor(nft: Nft, number: int) -> float:
    began = now()
    nft.run(f"add element ip floor-{os.getpid()} s {{ 10.0.{number // 250}.{number % 250} }}\n")
    return now() - began
