import asyncio

import pytest

from pilothouse.aio.tasks import running
from pilothouse.client.client import Client
from pilothouse.client.recorder import QUEUE_LIMIT, Recorder
from pilothouse.client.spam import SpamFilter
from pilothouse.decisions.log import DecisionLog
from pilothouse.model.errors import Forbidden, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS
from tests.client.fake_cluster import FakeCluster

pytestmark = pytest.mark.looptime

POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-1", "namespace": "apps", "uid": "u1", "resourceVersion": "7"},
}
NODE: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}


def loop_time() -> float:
    return 1_700_000_000 + asyncio.get_running_loop().time()


@pytest.fixture
async def recorder(client: Client) -> Recorder:
    return Recorder(client, None, "scheduler", "n1", clock=loop_time)


async def events(client: Client, recorder: Recorder, seconds: float = 30) -> list[Object]:
    """What is on the server after the recorder has had time to send."""
    async with running(recorder.run):
        await asyncio.sleep(seconds)
    return (await client.list(EVENTS)).items


async def test_an_event_names_who_says_what_about_which_object(client: Client, recorder: Recorder) -> None:
    recorder.say(POD, "Warning", "FailedScheduling", "no node", field_path="spec.containers{web}")
    (event,) = await events(client, recorder)
    assert event["metadata"]["namespace"] == "apps"
    assert event["metadata"]["name"].startswith("web-1.")
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "web-1",
        "namespace": "apps",
        "uid": "u1",
        "resourceVersion": "7",
        "fieldPath": "spec.containers{web}",
    }
    assert (event["type"], event["reason"], event["message"], event["count"]) == ("Warning", "FailedScheduling", "no node", 1)
    assert event["source"] == {"component": "scheduler", "host": "n1"}
    assert event["firstTimestamp"].startswith("2023-11-14T22:")


async def test_an_event_about_a_cluster_scoped_object_is_kept_in_default(client: Client, recorder: Recorder) -> None:
    recorder.say(NODE, "Normal", "NodeReady", "ready")
    (event,) = await events(client, recorder)
    assert event["metadata"]["namespace"] == "default"


async def test_the_same_said_again_within_ten_minutes_raises_the_count(client: Client, recorder: Recorder) -> None:
    async with running(recorder.run):
        for _ in range(3):
            recorder.say(POD, "Warning", "BackOff", "restarting")
            recorder.say(POD, "Warning", "BackOff", "restarting")
            await asyncio.sleep(60)
    (event,) = (await client.list(EVENTS)).items
    assert event["count"] == 6
    assert event["lastTimestamp"] > event["firstTimestamp"]


async def test_the_same_said_after_a_long_time_is_another_event(client: Client, recorder: Recorder) -> None:
    async with running(recorder.run):
        for _ in range(2):
            recorder.say(POD, "Warning", "BackOff", "restarting")
            await asyncio.sleep(700)
    assert [event["count"] for event in (await client.list(EVENTS)).items] == [1, 1]


async def test_an_event_that_was_deleted_is_made_again(client: Client, recorder: Recorder) -> None:
    recorder.say(POD, "Normal", "Pulled", "m")
    (event,) = await events(client, recorder)
    await client.delete(EVENTS, event["metadata"]["name"], "apps")
    recorder.say(POD, "Normal", "Pulled", "m")
    assert len(await events(client, recorder)) == 1


async def test_a_server_that_is_away_gets_the_event_later(cluster: FakeCluster, client: Client, recorder: Recorder) -> None:
    cluster.failures.extend([Unavailable("away"), Unavailable("away")])
    recorder.say(POD, "Normal", "Pulled", "m")
    assert len(await events(client, recorder)) == 1


async def test_a_refused_event_does_not_hold_up_the_next(cluster: FakeCluster, client: Client, recorder: Recorder) -> None:
    cluster.failures.append(Forbidden("the namespace is being deleted"))
    recorder.say(POD, "Normal", "Killing", "m")
    recorder.say(NODE, "Normal", "NodeReady", "m")
    assert [event["reason"] for event in await events(client, recorder)] == ["NodeReady"]


async def test_an_object_that_is_talked_about_too_much_is_left_alone(client: Client, recorder: Recorder) -> None:
    for number in range(100):
        recorder.say(POD, "Warning", "Unhealthy", f"probe {number}")
    recorder.say(NODE, "Normal", "NodeReady", "m")
    found = await events(client, recorder)
    assert len(found) == 26
    assert recorder.dropped == 75


async def test_more_than_the_queue_holds_drops_the_oldest(recorder: Recorder) -> None:
    for number in range(QUEUE_LIMIT + 10):
        recorder.say(POD, "Normal", "R", str(number))
    assert recorder.dropped == 10


async def test_everything_said_is_in_the_decision_log_with_its_facts(recorder: Recorder) -> None:
    with DecisionLog(":memory:") as log:
        recorder = Recorder(None, log, "scheduler")
        recorder.say(POD, "Warning", "FailedScheduling", "no node", nodes=3)
        recorder.decide(POD, "Filtered", "too little memory", node="n1")
        said, decided = log_contents = await log.query("Pod", "apps", "web-1")
    assert len(log_contents) == 2
    assert (said.part, said.reason, said.facts) == ("scheduler", "FailedScheduling", {"nodes": 3})
    assert (decided.reason, decided.facts) == ("Filtered", {"node": "n1"})


def test_the_spam_filter_refills_with_time() -> None:
    now = 0.0
    spam = SpamFilter(lambda: now)
    assert sum(spam.allows("a") for _ in range(50)) == 25
    now = 600.0
    assert [spam.allows("a") for _ in range(3)] == [True, True, False]
    assert spam.allows("b")
