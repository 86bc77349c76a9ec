"""What is told of refusals: to which policies, in which words, how often."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS
from pilothouse.model.policy_refusals import DROPPED, WOULD_DROP
from pilothouse.network.policy.noted import Refusal
from pilothouse.network.policy.notices import MOST_ROUTES, MOST_WRITES, Notices
from pilothouse.network.policy.units import Culprit
from tests.network.cluster import FakeCluster

OWNERS = {"10.9.0.2": "default/web", "10.9.0.3": "default/db"}
DENY = Culprit("ingress", ("default/deny",))
TO_DB = Refusal(1, "10.9.0.2", "10.9.0.3", "tcp", "5432")


def named(key: str) -> Object | None:
    namespace, _, name = key.rpartition("/")
    metadata = {"name": name, "uid": f"uid-{name}", **({"namespace": namespace} if namespace else {})}
    return {"kind": "NetworkPolicy" if namespace else "ClusterNetworkPolicy", "metadata": metadata} if name != "gone" else None


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Told:
    """Notices over an API of objects in memory."""

    def __init__(self, recorder: Recorder | None = None, nodes: int = 1) -> None:
        self.cluster, self.time = FakeCluster(), Time()
        self.notices = Notices(
            Client(self.cluster),
            recorder,
            "here",
            policy=named,
            pod=named,
            owner=lambda a: OWNERS.get(a, ""),
            nodes=lambda: nodes,
            clock=self.time,
        )

    async def after(self, seconds: float, refusals: Mapping[Refusal, int], *culprits: Culprit) -> None:
        self.time.now += seconds
        self.notices.take(dict(refusals), dict(enumerate(culprits or (DENY,), start=1)))
        await self.notices.write()

    @property
    def events(self) -> list[Object]:
        return self.cluster.objects(EVENTS)


async def test_the_first_refusal_is_told_at_once_with_both_ends_by_name() -> None:
    told = Told()
    await told.after(0, {TO_DB: 12})
    (event,) = told.events
    assert event["message"] == "ingress: dropped 12 packets to default/db (tcp 5432) from default/web in the last 1 s"
    assert (event["reason"], event["type"], event["count"]) == (DROPPED, "Warning", 12)
    assert (event["involvedObject"]["name"], event["involvedObject"]["uid"]) == ("deny", "uid-deny")


async def test_what_goes_on_changes_the_same_event_every_five_seconds() -> None:
    told = Told()
    await told.after(0, {TO_DB: 2})
    await told.after(2, {TO_DB: 3})
    assert told.events[0]["count"] == 2
    await told.after(3, {TO_DB: 1})
    (event,) = told.events
    assert (event["count"], event["message"]) == (6, "ingress: dropped 4 packets to default/db (tcp 5432) from default/web in the last 5 s")


async def test_of_many_connections_those_with_most_packets_are_named() -> None:
    told = Told()
    await told.after(0, {Refusal(1, f"192.0.2.{n}", "10.9.0.3", "icmp", ""): n for n in range(1, 9)})
    (event,) = told.events
    assert event["message"].startswith("ingress: dropped 36 packets in the last 1 s: 8 to default/db (icmp) from 192.0.2.8; 7 to")
    assert event["message"].endswith("; and 3 more connections")


async def test_each_policy_that_shuts_a_pod_hears_of_it_and_of_the_others() -> None:
    told = Told()
    await told.after(0, {TO_DB: 1}, Culprit("ingress", ("default/a", "default/b")))
    assert {event["involvedObject"]["name"]: event["message"].partition("; ")[2] for event in told.events} == {
        "a": "together with default/b",
        "b": "together with default/a",
    }


async def test_a_rehearsal_and_a_rule_are_named() -> None:
    told = Told()
    await told.after(0, {TO_DB: 1}, Culprit("egress", ("cluster",), "no-db", is_rehearsed=True))
    (event,) = told.events
    assert (event["reason"], event["type"], event["metadata"]["namespace"]) == (WOULD_DROP, "Normal", "default")
    assert event["message"].endswith("from default/web in the last 1 s by rule no-db")
    assert "would have dropped 1 packet to" in event["message"]


async def test_a_rule_is_named_while_it_drops_and_no_longer() -> None:
    told = Told()
    await told.after(0, {TO_DB: 1}, Culprit("egress", ("cluster",), "a-first"))
    await told.after(5, {TO_DB: 1}, Culprit("egress", ("cluster",), "b-later"))
    (event,) = told.events
    assert "by rule b-later" in event["message"]
    assert "a-first" not in event["message"]


async def test_what_nobody_is_responsible_for_any_more_is_left_out() -> None:
    told = Told()
    await told.after(0, {Refusal(9, "10.9.0.2", "10.9.0.3", "tcp", "1"): 1})
    await told.after(0, {TO_DB: 1}, Culprit("ingress", ("default/gone",)))
    assert not told.events


async def test_an_event_that_somebody_has_deleted_is_made_again() -> None:
    told = Told()
    await told.after(0, {TO_DB: 1})
    await told.cluster.delete(EVENTS, "default", told.events[0]["metadata"]["name"])
    await told.after(6, {TO_DB: 1})
    assert [event["count"] for event in told.events] == [2]


async def test_however_many_policies_drop_few_events_are_written_at_a_time() -> None:
    told = Told()
    many = [Culprit("ingress", (f"default/p{number}",)) for number in range(3 * MOST_WRITES)]
    refusals = {Refusal(number, "10.9.0.2", "10.9.0.3", "tcp", "1"): 1 for number in range(1, len(many) + 1)}
    await told.after(0, refusals, *many)
    assert len(told.events) == MOST_WRITES
    for _ in range(2):
        await told.after(2, {})
    assert len(told.events) == 3 * MOST_WRITES


async def test_both_directions_of_a_policy_are_told_of_at_once() -> None:
    told = Told()
    out = Refusal(2, "10.9.0.3", "10.9.0.2", "tcp", "80")
    await told.after(0, {TO_DB: 1, out: 1}, DENY, Culprit("egress", ("default/deny",)))
    assert {event["message"].partition(":")[0] for event in told.events} == {"ingress", "egress"}


async def test_what_goes_on_is_told_of_within_four_seconds_by_who_looks_every_two() -> None:
    told = Told()
    await told.after(0, {TO_DB: 1})
    await told.after(2, {TO_DB: 1})
    await told.after(2, {})
    assert told.events[0]["count"] == 2


async def test_of_many_nodes_each_writes_its_share() -> None:
    told = Told(nodes=400)
    many = [Culprit("ingress", (f"default/p{number}",)) for number in range(3 * MOST_WRITES)]
    refusals = {Refusal(number, "10.9.0.2", "10.9.0.3", "tcp", "1"): 1 for number in range(1, len(many) + 1)}
    await told.after(0, refusals, *many)
    assert len(told.events) == MOST_WRITES
    for _ in range(20):
        await told.after(2, {})
    assert len(told.events) == MOST_WRITES + 5


async def test_a_policy_that_drops_many_connections_leaves_room_for_another_in_the_decision_log() -> None:
    with DecisionLog(":memory:") as decisions:
        told = Told(Recorder(None, decisions, "kube-proxy"))
        loud = {Refusal(1, f"192.0.2.{n}", "10.9.0.2", "tcp", str(n)): 1000 for n in range(1, 200)}
        await told.after(0, {**loud, Refusal(2, "198.51.100.1", "10.9.0.3", "tcp", "80"): 1}, DENY, Culprit("ingress", ("default/quiet",)))
        messages = [each.message for each in await decisions.query("Pod")]
        assert any("default/quiet" in message for message in messages)


async def test_of_a_policy_with_too_many_connections_to_tell_apart_all_packets_count() -> None:
    told = Told()
    await told.after(0, {Refusal(1, f"192.0.2.{n % 250}", "10.9.0.3", "tcp", str(n)): 1 for n in range(1, 1001)})
    (event,) = told.events
    assert event["message"].startswith("ingress: dropped 1000 packets")
    assert event["message"].endswith(f"and more than {MOST_ROUTES - 5} more connections")
    assert event["count"] == 1000


async def test_pods_at_both_ends_have_it_in_the_decision_log(tmp_path: Path) -> None:
    with DecisionLog(":memory:") as decisions:
        told = Told(Recorder(None, decisions, "kube-proxy"))
        await told.after(0, {TO_DB: 1})
        found = await decisions.query("Pod")
        assert {each.about.name for each in found} == {"web", "db"}
        wanted = "packets to default/db (tcp 5432) from default/web are dropped by network policy default/deny (ingress)"
        assert {each.message for each in found} == {wanted}


@pytest.mark.parametrize("length", [3, 300])
async def test_a_message_is_of_bounded_length(length: int) -> None:
    told = Told()
    await told.after(0, {TO_DB: 1}, Culprit("ingress", ("default/deny", *(f"default/{'x' * length}{n}" for n in range(9)))))
    assert all(len(event["message"]) <= 1000 for event in told.events)
