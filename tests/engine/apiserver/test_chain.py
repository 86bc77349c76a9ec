"""What holds for every request, whichever way it came in."""

import asyncio

import pytest

from pilothouse.client.transport import Call
from pilothouse.model.errors import Timeout
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.https import Https
from tests.engine.apiserver.test_attempts import keep


@pytest.fixture(params=["over HTTP", "in process"])
def admin(request: pytest.FixtureRequest, api: Api, https: Https) -> Api:
    return https.certified("admin", "system:masters") if request.param == "over HTTP" else api


async def test_a_write_that_is_not_done_in_its_time_is_given_up(admin: Api) -> None:
    keeper = keep(admin.server.backend.admission, "a")
    keeper.holds_everybody = True
    with pytest.raises(Timeout, match="did not complete within requested timeout") as refused:
        await admin.post(CONFIGMAPS, configmap("a"), timeout="50ms")
    assert refused.value.code == 504
    assert "a" not in await admin.names(CONFIGMAPS)


async def test_a_timeout_that_is_none_is_refused_for_reads_too(admin: Api) -> None:
    error = await admin.refused("GET", CONFIGMAPS, timeout="soon")
    assert (error.code, 'invalid duration "soon"' in error.message) == (400, True)


async def test_a_watch_outlives_the_time_of_other_requests(api: Api) -> None:
    async with api.transport.watch(Call("GET", CONFIGMAPS, (("watch", "true"), ("timeout", "1ms")))) as events:
        await asyncio.sleep(0.01)
        await api.post(CONFIGMAPS, configmap("a"))
        assert (await anext(events)).object["metadata"]["name"] == "a"


async def test_every_request_is_counted(admin: Api) -> None:
    await admin.refused("GET", f"{CONFIGMAPS}/missing")
    text = await admin.get("/metrics")
    assert 'apiserver_request_total{code="404",group="",resource="configmaps",verb="get"} 1' in text


async def test_a_page_that_is_not_there_is_an_error(admin: Api) -> None:
    for path in ("/nowhere", "/apis/no.such.group/v1/things"):
        assert (await admin.refused("GET", path)).code == 404


async def test_a_fault_of_the_server_is_an_internal_error(admin: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin.server.backend.store, "get", None)
    error = await admin.refused("GET", f"{CONFIGMAPS}/a")
    assert (error.code, error.message) == (500, "Internal error occurred: TypeError")
