"""What a tenant notices of another's flood: its get and its create with and without, in one run.

Both are users of the API server alone (no controllers, no node), each with a client certificate and the rights of `edit` in a namespace of
its own; they share a priority level. The flood is 64 connections, from a process of its own: half of them list 1,000 ConfigMaps of 1 KB
and half create one, or all create, each as fast as it is answered. The other tenant asks over one connection, some hundred times a second.
Compared: the p99, to be within twice that without the flood. Quiet and flooded parts take turns, so that what else the machine does meets
both. The measuring client goes first where the system lets it: on few cores it would otherwise wait for the flood's processor.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from itertools import count as counting
from pathlib import Path

from bench.rig.alone import Alone, api_alone
from bench.rig.context import Context
from bench.rig.figures import Figures, hammer, latencies, now
from bench.rig.flood import flooding
from bench.rig.objects import configmap
from bench.rig.raw import Connection, Endpoint, connections
from pilothouse.aio.priority import go_first
from pilothouse.model.json import Object, dumps
from pilothouse.model.kinds import CONFIGMAPS, NAMESPACES
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.tls import client_context

FLOODER, OTHER = "flooder", "other"
CONNECTIONS = 64
FLOODS = {"lists_and_creates": CONNECTIONS // 2, "creates": 0}
"""How many connections list."""
PAUSE_S = 0.004
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_GROUP = "rbac.authorization.k8s.io"


async def run(context: Context) -> Figures:
    folder = context.folder / "fairness"
    async with api_alone(folder) as alone:
        await prepare(alone, folder, context.pick(1000, 200))
        async with connections(signed_in(alone, folder, OTHER), 1) as (connection,):
            other = Other(connection, context.pick(250, 100))
            found: Figures = {"goes_first": go_first()}
            for name, listing in FLOODS.items():
                context.say(f"a flood: {name}")
                found[name] = await _beside(other, alone, folder, listing, rounds=context.pick(3, 1))
        return {**found, "server_peak_mib": round(alone.peak_mib(), 1)}


async def _beside(other: "Other", alone: Alone, folder: Path, listing: int, *, rounds: int) -> Figures:
    quiet, flooded, done = Took(), Took(), [0, 0]
    await other.ask(Took())
    for _ in range(rounds):
        await other.ask(quiet)
        async with flooding(folder, alone.endpoint.port, FLOODER, CONNECTIONS, listing=listing):
            began = now()
            await other.ask(flooded)
            took = now() - began
            counted = (folder / f"{FLOODER}.count").read_text().split()
        done = [before + int(count) for before, count in zip(done, counted, strict=True)]
        flooded.seconds += took
        async with connections(alone.endpoint, 1) as (cleaner,):
            await cleaner.request("DELETE", f"{CONFIGMAPS.path(FLOODER)}?labelSelector=made-by%3Dflood")
    figures = {"quiet": quiet.figures(), "flooded": flooded.figures()}
    ratios = {
        verb: {name: round(figures["flooded"][verb][name] / figures["quiet"][verb][name], 2) for name in ("median", "p99")}
        for verb in figures["quiet"]
    }
    return {**figures, "ratio": ratios, "flood": {"per_second": round(done[0] / flooded.seconds, 1), "refused": done[1]}}


@dataclass(slots=True)
class Took:
    """seconds: in which a flood went on."""

    gets: list[float] = field(default_factory=list)
    creates: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def figures(self) -> Figures:
        return {"get": latencies(self.gets), "create": latencies(self.creates)}


class Other:
    """The tenant that wants little: gets and creates by turns, `count` of each at a time."""

    def __init__(self, connection: Connection, count: int) -> None:
        self._connection = connection
        self._count = count
        self._numbers = counting()

    async def ask(self, into: Took) -> None:
        path, request = CONFIGMAPS.path(OTHER), self._connection.request
        for _ in range(self._count):
            into.gets.append(await _took(request("GET", f"{path}/c-7")))
            made = dumps(_made(f"made-{next(self._numbers)}"))
            into.creates.append(await _took(request("POST", path, made)))


async def prepare(alone: Alone, folder: Path, objects: int) -> None:
    authority = CertificateAuthority.load(folder)
    async with connections(alone.endpoint, 4) as opened:
        for user in (FLOODER, OTHER):
            authority.issue_client(user).write(folder, user)
            await opened[0].request("POST", NAMESPACES.path(), dumps({"metadata": {"name": user}}))
            await opened[0].request("POST", f"{_RBAC}/namespaces/{user}/rolebindings", dumps(_editor(user)))
            path = CONFIGMAPS.path(user)
            await hammer(opened, objects, lambda each, number, path=path: each.request("POST", path, dumps(_made(f"c-{number}"))))  # type: ignore[misc]


def signed_in(alone: Alone, folder: Path, user: str) -> Endpoint:
    return Endpoint("127.0.0.1", alone.endpoint.port, client_context(folder / "ca.crt", folder / f"{user}.crt", folder / f"{user}.key"))


async def _took(call: Awaitable[object]) -> float:
    began = now()
    await call
    took = now() - began
    await asyncio.sleep(PAUSE_S)
    return took


def _made(name: str) -> Object:
    return configmap(name) | {"metadata": {"name": name}}


def _editor(user: str) -> Object:
    subject = {"apiGroup": _GROUP, "kind": "User", "name": user}
    return {"metadata": {"name": "editor"}, "subjects": [subject], "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": "edit"}}
