"""What one client may cost the others: watchers that do not read, answers and bodies that take long to write or to read."""

import asyncio
import json
from pathlib import Path
from typing import cast

import pytest

from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.chain.dispatch import carry_out
from pilothouse.engine.apiserver.http import respond, stream_watch
from pilothouse.engine.apiserver.http.backlog import Backlog
from pilothouse.engine.apiserver.http.frames import FrameCache
from pilothouse.engine.apiserver.http.stream_watch import Watcher
from pilothouse.engine.apiserver.request import routing
from pilothouse.engine.apiserver.request.negotiate import Accepted
from pilothouse.engine.apiserver.request.request import ApiRequest, PlainHeaders
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.stream import Stream
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.test_http import connected
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
    feed = await api.server.call(api.transport._request(Call("GET", CONFIGMAPS, (("watch", "true"), ("resourceVersion", version)))))
    reader = SlowReader()
    watcher = Watcher(feed, cast("Stream", reader), Accepted(), "", FrameCache(), backlog)
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
    table = json.loads(await respond.encode(answer, accepted, "", asyncio.Semaphore(1)))
    assert [row["cells"][0] for row in table["rows"]][-600:] == [f"c{number:03}" for number in range(600)]


async def test_a_large_yaml_body_is_read_beside_the_event_loop(kubeconfig: Path, tmp_path: Path, api: Api) -> None:
    data = "".join(f"  k{number}: value\n" for number in range(20_000))
    body = f"metadata:\n  name: large\ndata:\n{data}"
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        head = f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: a\r\nContent-Type: application/yaml\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body.encode())
        assert b" 201 " in await reader.readline()
    assert len((await api.get(f"{CONFIGMAPS}/large"))["data"]) == 20_000
