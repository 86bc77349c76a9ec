"""What nodes say of a NetworkPolicy's refusals stands at the policy, where `kubectl describe` shows it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.clusterpolicy.refusals import MOST_LINES, MOST_PER_S, PolicyRefusals, shown
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, NETWORKPOLICIES
from pilothouse.model.policy_refusals import DROPPED, SHOWN, WOULD_DROP
from pilothouse.model.resource import Resource
from tests.engine.controllers.conftest import Cluster, controlled, held
from tests.network.cluster import FakeCluster


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    async with held(controlled(server)) as found:
        yield found


def event(name: str, policy: Object, message: str, *, reason: str = DROPPED, second: int = 1, node: str = "n") -> Object:
    about = {"kind": "NetworkPolicy", "namespace": meta.namespace(policy), "name": meta.name(policy), "uid": meta.uid(policy)}
    times = {"firstTimestamp": "2026-11-30T07:00:00Z", "lastTimestamp": f"2026-11-30T07:00:{second:02}Z"}
    said = {"reason": reason, "message": message, "count": 3, "source": {"host": node}, "type": "Warning", **times}
    return {"metadata": {"name": name, "namespace": meta.namespace(policy)}, "involvedObject": about, **said}


async def test_a_policy_shows_what_it_drops_and_no_more_of_it_when_the_events_are_gone(cluster: Cluster) -> None:
    made = await cluster.create(NETWORKPOLICIES, {"metadata": {"name": "deny"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}})
    await cluster.client.create(EVENTS, event("e", made, "ingress: dropped 3 packets"), meta.namespace(made))
    name = SHOWN[DROPPED]
    found = await cluster.until_one(NETWORKPOLICIES, "deny", lambda each: name in meta.annotations(each))
    times = "3 since 2026-11-30T07:00:00Z, the last at 2026-11-30T07:00:01Z"
    assert meta.annotations(found)[name] == f"ingress: dropped 3 packets (node n, {times})"
    assert found["spec"] == made["spec"]
    assert found["metadata"]["generation"] == made["metadata"]["generation"]
    await cluster.client.delete(EVENTS, "e", meta.namespace(made))
    await cluster.until_one(NETWORKPOLICIES, "deny", lambda each: name not in meta.annotations(each))


def test_the_latest_words_stand_first_and_rehearsals_apart() -> None:
    policy = {"metadata": {"name": "p", "namespace": "x"}}
    events = [event(f"e{n}", policy, f"message {n}", second=n, node=f"n{n}") for n in range(30)]
    told = shown([*events, event("would", policy, "would", reason=WOULD_DROP), event("other", policy, "x", reason="Other")])
    lines = told[SHOWN[DROPPED]].splitlines()
    assert len(lines) == MOST_LINES
    assert lines[0].startswith("message 29 (node n29, ")
    assert told[SHOWN[WOULD_DROP]].startswith("would (")
    assert len(told) == 2


class Writes(Client):
    """Keeps which objects were patched."""

    names: list[str]

    async def patch(self, resource: Resource, name: str, patch: Any, **how: Any) -> Object:
        self.names.append(name)
        return {}


async def test_however_many_policies_drop_few_are_written_in_a_second_and_each_in_its_turn() -> None:
    server, now, names = FakeCluster(), [1000.0], [f"p{number:03}" for number in range(60)]
    informers, client = server.informers(), Writes(server)
    client.names = []
    reporter = PolicyRefusals(client, informers, lambda: now[0])
    for name in names:
        policy = {"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": {"podSelector": {}}}
        await server.put(NETWORKPOLICIES, policy)
        await server.put(EVENTS, event(name, policy, "dropped"))
    async with scope() as tasks:
        for each in (informers, reporter._own):
            tasks.spawn(each.run(), name="informers")
        await reporter._policies.wait_synced()
        await reporter._events.wait_synced()
        for seconds in range(3):
            now[0] = 1000.0 + seconds
            for name in names * 2:
                await reporter.reconcile(f"default/{name}")
            assert client.names == names[: seconds * MOST_PER_S + 1]
        tasks.cancel()
