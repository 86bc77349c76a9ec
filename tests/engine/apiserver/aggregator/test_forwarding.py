"""Requests for what another server answers: who may send them, in whose name they go on, and what passes."""

import asyncio
import base64
import json
from collections.abc import Callable

import pytest

from pilothouse.client.transport import Call, WatchEvent
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model.errors import ApiError
from pilothouse.model.json import dumps
from pilothouse.wire.messages import Request, Response
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.aggregator.conftest import Network, until_available
from tests.engine.apiserver.aggregator.other import ADDRESS, APISERVICES, PORT, SERVICES, SLICES, Other, service, slice_of
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https, grant, rule
from tests.engine.apiserver.proxying.conftest import Person

THINGS = "/apis/example.org/v1/namespaces/default/things"
People = Callable[[str], Person]


async def test_a_request_reaches_the_other_server_under_the_name_of_its_service(registered: Other, network: Network, admin: Person) -> None:
    answer = await admin.ask(f"{THINGS}/a?x=1&y=%20")
    assert (answer.status, json.loads(answer.body)["metadata"]) == (200, {"name": "a"})
    assert network.dialled[-1] == (ADDRESS, PORT, "other.default.svc")
    (asked,) = registered.asked
    assert (asked.method, asked.target, asked.headers["host"]) == ("GET", f"{THINGS}/a?x=1&y=+", "other.default.svc:443")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_bodies_pass(registered: Other, admin: Person, method: str) -> None:
    await admin.ask(f"{THINGS}/a", "content-type: application/merge-patch+json", method=method, body=b'{"a": 1}')
    (asked,) = registered.asked
    assert (asked.method, asked.body, asked.headers["content-type"]) == (method, b'{"a": 1}', "application/merge-patch+json")


async def test_rights_are_looked_at_first(registered: Other, api: Api, person: People) -> None:
    assert (await person("ann").ask(THINGS)).status == 403
    await grant(api, "ann", rule("list", "things", "example.org"))
    assert (await person("ann").ask(THINGS)).status == 200
    assert (await person("ann").ask(THINGS, method="POST", body=b"{}")).status == 403
    assert len(registered.asked) == 1


async def test_the_user_is_named_and_cannot_name_another(registered: Other, api: Api, person: People) -> None:
    await grant(api, "ann", rule("list", "things", "example.org"))
    await person("ann").ask(
        THINGS,
        "Authorization: Bearer secret",
        "X-Remote-User: admin",
        "X-Remote-Group: system:masters",
        "X-Remote-Extra-Scopes: all",
        "X_Remote_User: admin",
        "x-remote_group: system:masters",
        "Connection: X-Remote-Uid",
    )
    (asked,) = registered.asked
    said = [(name, value) for name, value in asked.headers if "remote" in name]
    assert said == [("x-remote-user", "ann"), ("x-remote-group", "system:authenticated")]
    assert "authorization" not in asked.headers


async def test_a_user_who_is_spoken_for_is_named_with_all_that_is_known_of_him(registered: Other, api: Api, https: Https) -> None:
    await grant(api, "кто-то", rule("list", "things", "example.org"))
    speaker = https.speaking_for("admin", "кто-то", groups=("g1", "g2"), uid="u-1", extra={"example.org/a b": "ü"})
    await grant(
        api,
        "admin",
        {
            "apiGroups": ["", "authentication.k8s.io"],
            "resources": ["users", "groups", "uids", "userextras/example.org/a b"],
            "verbs": ["*"],
        },
    )
    await speaker.get(THINGS)
    (asked,) = registered.asked
    said = [(name, value.encode("latin-1").decode()) for name, value in asked.headers if name.startswith("x-remote")]
    assert said == [
        ("x-remote-user", "кто-то"),
        ("x-remote-uid", "u-1"),
        *(("x-remote-group", group) for group in ("g1", "g2", "system:authenticated")),
        ("x-remote-extra-example.org%2fa%20b", "ü"),
    ]


async def test_who_would_be_taken_for_another_is_refused(registered: Other, api: Api) -> None:
    await grant(api, " admin", rule("list", "things", "example.org"))
    error = await api.as_user(" admin").refused("GET", THINGS)
    assert (error.code, "does not fit into a header" in error.message) == (403, True)
    assert registered.asked == []


@pytest.mark.parametrize("part", ["..", ".", "%2e%2e", "a/../../other/things", "a//b", "%2E"])
async def test_a_path_that_others_could_read_otherwise_is_refused(registered: Other, admin: Person, part: str) -> None:
    assert (await admin.ask(f"{THINGS}/{part}")).status == 400
    assert registered.asked == []


async def test_what_is_encoded_in_a_path_is_what_rights_were_judged_by(registered: Other, api: Api, person: People) -> None:
    await grant(api, "ann", {"apiGroups": ["example.org"], "resources": ["*"], "verbs": ["get"], "resourceNames": ["*"]})
    await grant(api, "bob", rule("get", "things/status", "example.org"))
    assert (await person("bob").ask(f"{THINGS}/a%2Fstatus")).status == 200
    assert registered.asked[-1].target == f"{THINGS}/a/status"


async def test_a_watch_passes_event_by_event(registered: Other, admin: Person) -> None:
    go_on = asyncio.Event()

    async def answer(request: Request) -> None:
        stream = request.stream(200, (("content-type", "application/json"),))
        stream.write(b'{"type":"ADDED","object":{}}\n')
        await stream.drain()
        await go_on.wait()
        stream.write(b'{"type":"DELETED","object":{}}\n')
        await stream.finish()

    registered.answer = answer
    async with asyncio.timeout(10), admin.connected() as client:
        client.get(f"{THINGS}?watch=true")
        await client.read_until(b"ADDED")
        go_on.set()
        await client.read_until(b"DELETED")


async def test_a_client_of_this_process_reads_values_watches_and_failures(registered: Other, api: Api) -> None:
    assert (await api.get(f"{THINGS}/a"))["kind"] == "Thing"

    async def answer(request: Request) -> Response:
        if "watch" in request.query:
            lines = [{"type": "ADDED", "object": {"a": 1}}, {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "m"}}]
            return Response(200, (("content-type", "application/json"),), b"\n".join(map(dumps, lines)) + b"\n")
        status = {"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "none", "code": 404}
        return Response(404, (("content-type", "application/json"),), dumps(status))

    registered.answer = answer
    error = await api.refused("GET", f"{THINGS}/b")
    assert (error.code, error.reason, error.message) == (404, "NotFound", "none")
    seen = list[WatchEvent]()
    with pytest.raises(ApiError, match="m"):
        await _watch(api, seen)
    assert [each.object for each in seen] == [{"a": 1}]


async def _watch(api: Api, seen: list[WatchEvent]) -> None:
    async with api.transport.watch(Call("GET", THINGS, (("watch", "true"),))) as events:
        async for event in events:
            seen.append(event)  # noqa: PERF401 - what came before the failure is kept


async def test_an_upgrade_becomes_a_connection(registered: Other, admin: Person) -> None:
    async def answer(request: Request) -> None:
        duplex = await request.upgrade("chat")
        while (data := await duplex.receive()) is not None:
            await duplex.send(data.upper())

    registered.answer = answer
    async with asyncio.timeout(10), admin.connected() as client:
        client.get(f"{THINGS}/a/talk", "Connection: Upgrade", "Upgrade: chat")
        assert b"101" in await client.read_until(b"\r\n\r\n")
        client.send(b"hello\n")
        assert await client.read_until(b"\n") == b"HELLO\n"
    assert registered.asked[0].headers["x-remote-user"] == "admin"


async def test_a_server_that_hangs_does_not_take_places_from_others(registered: Other, api: Api, admin: Person) -> None:
    stuck = asyncio.Event()

    async def answer(request: Request) -> Response:
        await stuck.wait()
        return Response(200)

    registered.answer = answer
    calls = [asyncio.ensure_future(api.get(f"{THINGS}/{number}")) for number in range(200)]
    async with asyncio.timeout(20):
        while len(registered.asked) < 200:
            await asyncio.sleep(0.01)
        assert (await admin.ask("/api/v1/namespaces/default/pods")).status == 200
        refused = await admin.ask(f"{THINGS}/more")
    assert (refused.status, "apiservice v1.example.org has 200 requests" in refused.body.decode()) == (429, True)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    registered.answer = None
    assert (await admin.ask(f"{THINGS}/more")).status == 200


async def test_a_server_of_another_authority_is_not_spoken_to(
    registered: Other, api: Api, admin: Person, authority: CertificateAuthority
) -> None:
    bundle = base64.b64encode(authority.certificate).decode()
    await api.patch(f"{APISERVICES}/v1.example.org", {"spec": {"caBundle": bundle}})
    said = await until_available(api, reason="FailedDiscoveryCheck")
    assert "x509: certificate signed by unknown authority" in said["message"]
    answer = await admin.ask(THINGS)
    assert (answer.status, "apiservice v1.example.org is unavailable" in answer.body.decode()) == (503, True)
    await api.patch(f"{APISERVICES}/v1.example.org", {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}})
    await until_available(api)
    assert (await admin.ask(THINGS)).status == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254"])
async def test_no_address_but_one_of_the_network_is_connected_to(
    other: Other, server: ApiServer, api: Api, network: Network, address: str
) -> None:
    """No client may store such endpoints; whoever gets them into the store all the same reaches nothing by them."""
    await api.post(SERVICES, service())
    value = slice_of(address)
    value["metadata"] |= {"namespace": "default", "uid": "x"}
    await server.backend.store.create("/endpointslices.discovery.k8s.io/default/other-1", value)
    await api.post(APISERVICES, other.registration())
    assert "no endpoints available" in (await until_available(api, reason="FailedDiscoveryCheck"))["message"]
    assert network.dialled == []


async def test_a_moved_server_is_found_again(registered: Other, api: Api, admin: Person, network: Network) -> None:
    del network.ports[ADDRESS, PORT]
    network.ports["10.244.0.10", PORT] = registered.port
    await api.patch(f"{SLICES}/other-1", {"endpoints": [{"addresses": ["10.244.0.10"], "conditions": {"ready": True}}]})
    assert (await admin.ask(THINGS)).status == 200
