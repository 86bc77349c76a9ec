"""What one client may cost the others: watchers that do not read, answers and bodies that take long to write or to read."""

import asyncio
import json
import time
from pathlib import Path
from typing import cast

import pytest

from pilothouse.aio.beside import Beside
from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.answer import ListResponse, Stored
from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.engine.apiserver.chain.dispatch import carry_out
from pilothouse.engine.apiserver.http import long_list, respond, stream_watch
from pilothouse.engine.apiserver.http.backlog import Backlog
from pilothouse.engine.apiserver.http.frames import FrameCache, json_frame
from pilothouse.engine.apiserver.http.stream_watch import Watcher
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.request import routing
from pilothouse.engine.apiserver.request.negotiate import Accepted
from pilothouse.engine.apiserver.request.request import ApiRequest, PlainHeaders
from pilothouse.engine.apiserver.verbs.watch import Feed
from pilothouse.wire.messages import Certificate, Headers, Peer, Request
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.stream import Stream
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.https import Https
from tests.engine.apiserver.test_http import connected
from tests.engine.apiserver.turns import take_turns
from tests.people import ADMIN


class SlowReader:
    """A stream whose reader takes its time: `drain` waits until it may go on."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.buffered = 0
        self.gate = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        self.buffered += len(data)

    async def drain(self) -> None:
        await self.gate.wait()


async def slow_watcher(api: Api, backlog: Backlog) -> tuple[Watcher, SlowReader, "asyncio.Task[None]"]:
    version = (await api.get(CONFIGMAPS))["metadata"]["resourceVersion"]
    request = InProcessTransport(api.server, ADMIN)._request(Call("GET", CONFIGMAPS, (("watch", "true"), ("resourceVersion", version))))
    feed = await api.server.call(request)
    assert isinstance(feed, Feed)
    reader = SlowReader()
    watcher = Watcher(feed, cast("Stream", reader), Accepted(), "", FrameCache(json_frame), backlog, start=request)
    running = asyncio.ensure_future(watcher.run())
    await asyncio.sleep(0)
    return watcher, reader, running


async def test_a_watcher_that_was_cut_off_sees_nothing_behind_the_gap(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_watch, "BOUND_BYTES", 10_000)
    _, reader, running = await slow_watcher(api, Backlog())
    await api.post(CONFIGMAPS, configmap("fits", x="y" * 9_900))
    await api.post(CONFIGMAPS, configmap("dropped", x="y" * 9_900))
    await api.post(CONFIGMAPS, configmap("dropped-too"))
    reader.buffered = 0
    await api.post(CONFIGMAPS, configmap("behind-the-gap"))
    with pytest.raises(Disconnected):
        await running
    names = [json.loads(event)["object"]["metadata"]["name"] for event in reader.sent]
    assert names == ["fits"]


async def test_nothing_is_sent_behind_a_gap_before_the_watcher_has_ended_either(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_watch, "BOUND_BYTES", 10)
    await api.post(CONFIGMAPS, configmap("a"))
    watcher, reader, running = await slow_watcher(api, Backlog())
    record = api.server.backend.store.scan("/configmaps/default/")[0]
    for buffered in (0, 11, 0):
        reader.buffered = buffered
        watcher._write("MODIFIED", record)
    assert len(reader.sent) == 1
    with pytest.raises(Disconnected):
        await running


async def test_watchers_that_are_behind_are_bounded_together_and_the_slowest_goes(api: Api) -> None:
    backlog = Backlog(limit_bytes=3_000_000)
    _, slowest, first = await slow_watcher(api, backlog)
    await api.post(CONFIGMAPS, configmap("a", x="y" * 900_000))
    _, slow, second = await slow_watcher(api, backlog)
    for name in "bc":
        await api.post(CONFIGMAPS, configmap(name, x="y" * 900_000))
    with pytest.raises(Disconnected):
        await first
    await api.post(CONFIGMAPS, configmap("d"))
    assert len(slowest.sent) < len(slow.sent) + 1
    assert not second.done()
    second.cancel()


async def test_a_table_of_many_rows_has_them_all_in_order(api: Api) -> None:
    for number in range(600):
        await api.post(CONFIGMAPS, configmap(f"c{number:03}"))
    accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    request = ApiRequest("GET", routing.parse(CONFIGMAPS), {}, PlainHeaders(accept), user=ADMIN, verb="list")
    answer, accepted = await carry_out(api.server.backend, request)
    assert isinstance(answer, ListResponse)
    table = json.loads(await respond.encode(answer, accepted, "", Beside(1)))
    assert [row["cells"][0] for row in table["rows"]][-600:] == [f"c{number:03}" for number in range(600)]


@pytest.mark.parametrize("accept", ["application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml"])
async def test_others_have_their_turn_while_a_long_answer_is_written(api: Api, accept: str) -> None:
    for number in range(600):
        await api.post(CONFIGMAPS, configmap(f"c{number:03}"))
    request = ApiRequest("GET", routing.parse(CONFIGMAPS), {}, PlainHeaders({"accept": accept}), user=ADMIN, verb="list")
    answer, accepted = await carry_out(api.server.backend, request)
    assert isinstance(answer, ListResponse)
    writing = asyncio.ensure_future(respond.encode(answer, accepted, "", Beside(1)))
    turns = 0
    while not writing.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 2


async def test_a_large_yaml_body_is_read_beside_the_event_loop(kubeconfig: Path, tmp_path: Path, api: Api) -> None:
    data = "".join(f"  k{number}: value\n" for number in range(20_000))
    body = f"metadata:\n  name: large\ndata:\n{data}"
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        head = f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: a\r\nContent-Type: application/yaml\r\nContent-Length: {len(body)}\r\n\r\n"
        in_loop, in_all = time.thread_time(), time.process_time()
        writer.write(head.encode() + body.encode())
        assert b" 201 " in await reader.readline()
        in_loop, in_all = time.thread_time() - in_loop, time.process_time() - in_all
    assert in_loop < in_all / 2
    assert len((await api.get(f"{CONFIGMAPS}/large"))["data"]) == 20_000


LARGE = {f"key-{number}": "value" for number in range(15_000)}


async def test_a_list_that_is_too_long_for_another_form_is_refused_before_it_is_made(api: Api) -> None:
    """YAML takes a thread some seconds for each megabyte."""
    for number in range(6):
        await api.post(CONFIGMAPS, {"metadata": {"name": f"c{number}"}, "data": LARGE})
    for accept in ("application/yaml", "application/vnd.kubernetes.protobuf"):
        answer = await api.server.handle(asked(CONFIGMAPS, accept))
        assert answer is not None
        assert answer.status == 406
        assert b"too long to be shown" in answer.body
        page = await api.server.handle(asked(f"{CONFIGMAPS}?limit=2", accept))
        assert page is not None
        assert page.status == 200


async def test_others_have_their_turn_while_large_objects_are_looked_into(api: Api) -> None:
    for number in range(6):
        await api.post(CONFIGMAPS, {"metadata": {"name": f"c{number}"}, "data": LARGE})
    assert await turns_until(asyncio.ensure_future(api.get(CONFIGMAPS, labelSelector="!missing"))) > 3


async def test_others_have_their_turn_while_rows_of_large_objects_are_made(api: Api) -> None:
    for number in range(6):
        await api.post(CONFIGMAPS, {"metadata": {"name": f"c{number}"}, "data": LARGE})
    records = api.server.backend.store.scan("/configmaps/default/")
    slices = list(long_list.as_made(records, lambda record: b"{}"))
    assert len(slices) >= 3


async def test_of_a_collection_of_large_objects_one_is_deleted_in_a_turn(api: Api) -> None:
    for number in range(8):
        await api.post(CONFIGMAPS, {"metadata": {"name": f"c{number}"}, "data": LARGE})
    turns: list[float] = []
    watching = asyncio.ensure_future(take_turns(turns))
    await api.delete(CONFIGMAPS)
    watching.cancel()
    assert await api.names(CONFIGMAPS) == []
    assert max(turns) < sum(turns) / 3


async def test_a_watch_that_has_missed_much_takes_it_in_parts(api: Api, https: Https) -> None:
    """It may be 32 MiB, which is decoded for a selector to be judged."""
    made = await api.post(CONFIGMAPS, {"metadata": {"name": "c"}, "data": LARGE})
    for number in range(16):
        await api.patch(f"{CONFIGMAPS}/c", {"data": {"n": str(number)}})
    wanted, version = [str(number) for number in range(16)], made["metadata"]["resourceVersion"]
    query = (("watch", "1"), ("resourceVersion", version), ("labelSelector", "!missing"))

    feed = await api.server.call(
        ApiRequest("GET", routing.parse(CONFIGMAPS), {name: [value] for name, value in query}, PlainHeaders({}), user=ADMIN)
    )
    assert isinstance(feed, Feed)
    parts: list[int] = []
    seen: list[str] = []

    async def turn() -> None:
        parts.append(len(seen))

    def emit(type: str, record: Stored) -> None:
        seen.append(record.value["data"]["n"])

    await feed.catch_up(emit, turn)
    feed.start(emit)
    feed.close()
    assert seen == wanted
    assert len(parts) > 10

    for user in (api, https.certified("reader", ADMINS)):
        async with asyncio.timeout(20), user.transport.watch(Call("GET", CONFIGMAPS, query)) as events:
            assert [(await anext(events)).object["data"]["n"] for _ in range(16)] == wanted


async def turns_until(work: "asyncio.Future[object]") -> int:
    turns = 0
    while not work.done():
        turns += 1
        await asyncio.sleep(0)
    return turns


def asked(target: str, accept: str) -> Request:
    certificate = Certificate(ADMIN.name, (ADMINS,))
    return Request("GET", target, Headers.of([("host", "a"), ("accept", accept)]), peer=Peer("192.0.2.1", 1, certificate))
