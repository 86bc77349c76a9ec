"""pods/proxy and services/proxy: who is reached by which name, by whom, and what passes."""

import asyncio
import json
from collections.abc import Callable

import pytest

from pilothouse.client.transport import Call
from pilothouse.wire.messages import Request, Response
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https, grant, rule
from tests.engine.apiserver.proxying.conftest import ADDRESS, PODS, SERVICES, Person, Played, endpoints, place

People = Callable[[str], Person]


@pytest.mark.parametrize(
    ("path", "port", "tls"),
    [
        (f"{PODS}/web/proxy/", 8080, False),
        (f"{PODS}/web:80/proxy/", 80, False),
        (f"{PODS}/web:http/proxy/", 8080, False),
        (f"{PODS}/http:web:8080/proxy/", 8080, False),
        (f"{PODS}/https:web:443/proxy/", 443, True),
        (f"{PODS}/https:web:https/proxy/", 8443, True),
        (f"{SERVICES}/web:80/proxy/", 8080, False),
        (f"{SERVICES}/web:http/proxy/", 8080, False),
        (f"{SERVICES}/http:web:http/proxy/", 8080, False),
        (f"{SERVICES}/https:web:443/proxy/", 8443, True),
        (f"{SERVICES}/https:web:https/proxy/", 8443, True),
    ],
)
async def test_pods_and_services_are_reached_by_port_and_scheme(web: Played, admin: Person, path: str, port: int, tls: bool) -> None:
    answer = await admin.ask(path)
    assert (answer.status, answer.body) == (200, b"GET /")
    assert web.dialled == [(ADDRESS, port, tls)]


@pytest.mark.parametrize("place", [f"{PODS}/web:80", f"{SERVICES}/web:80"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_passes_with_path_query_and_body(web: Played, admin: Person, place: str, method: str) -> None:
    body = b"" if method in ("GET", "HEAD", "OPTIONS") else b'{"a": 1}'
    answer = await admin.ask(f"{place}/proxy/some/a%2Fb/?x=1&y=%20", "content-type: application/json", method=method, body=body)
    assert answer.status == 200
    (asked,) = web.asked
    assert (asked.method, asked.target, asked.body) == (method, "/some/a%2Fb/?x=1&y=%20", body)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("place", [f"{PODS}/web:80", f"{SERVICES}/http:web:80"])
async def test_without_a_slash_readers_are_led_to_one(web: Played, admin: Person, place: str, method: str) -> None:
    answer = await admin.ask(f"{place}/proxy?x=1", method=method)
    assert (answer.status, answer.headers["location"]) == (301, f"{place}/proxy/?x=1")
    assert web.asked == []


async def test_others_are_not_led_anywhere(web: Played, admin: Person) -> None:
    answer = await admin.ask(f"{SERVICES}/web:80/proxy?x=1", method="POST")
    assert (answer.status, answer.body) == (200, b"POST /?x=1")


async def test_credentials_stay_and_the_client_is_named(web: Played, admin: Person, api: Api) -> None:
    await admin.ask(
        f"{PODS}/web:80/proxy/x",
        "Authorization: Basic YTpi",
        "X-Remote-User: eve",
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
        "TE: trailers",
        "Accept-Encoding: gzip",
        "Cookie: a=b",
        "X-Forwarded-For: 192.0.2.9",
        "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.c2VjcmV0, v1",
    )
    (asked,) = web.asked
    found = dict(asked.headers)
    assert not {"authorization", "x-remote-user", "x-hop", "te"} & set(found)
    assert (found["host"], found["cookie"], found["accept-encoding"]) == ("test", "a=b", "identity")
    assert found["x-forwarded-for"] == "192.0.2.9, 127.0.0.1"
    assert found["x-forwarded-uri"] == f"{PODS}/web:80/proxy/x"
    assert found["sec-websocket-protocol"] == "v1"


async def test_in_whose_name_somebody_asks_stays(web: Played, api: Api, admin: Person) -> None:
    await grant(api, "ann", rule("get", "pods/proxy"))
    assert (await admin.ask(f"{PODS}/web:80/proxy/x", "Impersonate-User: ann")).status == 200
    assert "impersonate-user" not in dict(web.asked[0].headers)
    assert (await admin.ask(f"{PODS}/web:80/proxy/x", "Impersonate-User: bob")).status == 403


async def test_an_answer_passes_with_its_status_and_headers(web: Played, admin: Person) -> None:
    async def answer(request: Request) -> Response:
        headers = (("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-own", "yes"), ("access-control-allow-origin", "*"), ("etag", '"1"'))
        return Response(418, headers, b"short and stout")

    web.answer = answer
    found = await admin.ask(f"{PODS}/web:80/proxy/")
    assert (found.status, found.body, found.headers["x-own"], found.headers["etag"]) == (418, b"short and stout", "yes", '"1"')
    assert "access-control-allow-origin" not in found.headers
    assert found.headers["content-length"] == "15"
    found = await admin.ask(f"{PODS}/web:80/proxy/", method="HEAD")
    assert (found.status, found.body, found.headers["content-length"]) == (418, b"", "15")
    assert found.headers["cache-control"] == "no-cache, private"


async def test_a_long_answer_arrives_as_it_comes(web: Played, admin: Person) -> None:
    go_on = asyncio.Event()

    async def answer(request: Request) -> None:
        stream = request.stream(200, (("content-type", "application/octet-stream"),))
        stream.write(b"first\n")
        await stream.drain()
        await go_on.wait()
        for _ in range(200):
            stream.write(b"x" * 100_000)
            await stream.drain()

    web.answer = answer
    async with asyncio.timeout(30), admin.connected() as client:
        client.get(f"{PODS}/web:80/proxy/")
        assert b"200" in await client.read_until(b"first\n")
        go_on.set()
        rest = 0
        while rest < 20_000_000:
            rest += len(await client.reader.read(1 << 20))


async def test_an_answer_that_is_cut_short_is_cut_short(web: Played, admin: Person, played: Played) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        played.ports[ADDRESS, 9] = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionError, match="ended within an answer"):
            await admin.ask(f"{PODS}/web:9/proxy/")


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 503, b"another protocol"),
        (b"SSH-2.0-OpenSSH\r\n", 503, b"malformed HTTP response"),
        (b"", 503, b"error trying to reach service: EOF"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 300_000 + b"\r\n", 503, b"head of the answer"),
    ],
)
async def test_whatever_a_pod_says_is_an_answer(web: Played, admin: Person, said: bytes, status: int, words: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        web.ports[ADDRESS, 9] = server.sockets[0].getsockname()[1]
        answer = await admin.ask(f"{PODS}/web:9/proxy/")
    assert answer.status == status
    assert words in answer.body


async def test_links_and_redirects_lead_through_the_proxy(web: Played, admin: Person) -> None:
    async def answer(request: Request) -> Response:
        if request.path == "/old":
            return Response(302, (("location", "/new?x=1"),), b"")
        return Response(200, (("content-type", "text/html; charset=utf-8"),), b'<a href="/rewriteme">test</a>')

    web.answer = answer
    place = f"{PODS}/https:web:443/proxy"
    assert (await admin.ask(f"{place}/")).body.decode() == f'<a href="{place}/rewriteme">test</a>'
    assert (await admin.ask(f"{place}/old")).headers["location"] == f"{place}/new?x=1"


async def test_an_upgrade_becomes_a_connection(web: Played, admin: Person) -> None:
    async def answer(request: Request) -> None:
        assert request.headers.get("sec-websocket-key") == "k"
        duplex = await request.upgrade("chat", [("x-own", "yes")])
        await duplex.send(b"at once ")
        while (data := await duplex.receive()) is not None:
            await duplex.send(data.upper())

    web.answer = answer
    async with asyncio.timeout(10), admin.connected() as client:
        client.get(f"{SERVICES}/web:80/proxy/ws", "Connection: Upgrade", "Upgrade: chat", "Sec-WebSocket-Key: k")
        head = await client.read_until(b"\r\n\r\n")
        assert b"101" in head.split(b"\r\n")[0]
        assert b"upgrade: chat" in head.lower()
        assert b"x-own: yes" in head
        assert await client.read_until(b"once ") == b"at once "
        client.send(b"hello\n")
        assert await client.read_until(b"\n") == b"HELLO\n"
    assert web.asked[0].headers.tokens("connection") == ["Upgrade"]


async def test_a_websocket_reaches_a_pod_for_who_may_get(web: Played, api: Api, https: Https) -> None:
    await grant(api, "ann", rule("get", "pods/proxy"))

    async def answer(request: Request) -> None:
        socket = await request.websocket(("v1", "v2"))
        while (message := await socket.receive()) is not None:
            await socket.send(message.upper())

    web.answer = answer
    ann = https.certified("ann").transport
    async with asyncio.timeout(10), ann.connect(Call("GET", f"{PODS}/web:80/proxy/ws", (("x", "1"),)), ("v2", "v1")) as socket:
        await socket.send(b"x" * 100_000)
        assert (socket.subprotocol, await socket.receive()) == ("v2", b"X" * 100_000)
    assert web.asked[0].target == "/ws?x=1"


async def test_an_upgrade_that_is_not_wanted_is_an_ordinary_answer(web: Played, admin: Person) -> None:
    async def answer(request: Request) -> Response:
        return Response(426, (), b"no")

    web.answer = answer
    found = await admin.ask(f"{SERVICES}/web:80/proxy/ws", "Connection: Upgrade", "Upgrade: chat")
    assert (found.status, found.body) == (426, b"no")


async def test_who_is_not_there_is_named(web: Played, api: Api, admin: Person) -> None:
    async def refused(path: str, status: int) -> str:
        answer = await admin.ask(path)
        assert answer.status == status, answer.body
        return str(json.loads(answer.body)["message"])

    assert "dial tcp 10.244.0.7:81: connect: connection refused" in await refused(f"{PODS}/web:81/proxy/", 503)
    assert 'pods "nosuch" not found' in await refused(f"{PODS}/nosuch/proxy/", 404)
    assert "has no port named xyz" in await refused(f"{PODS}/web:xyz/proxy/", 400)
    assert "is no port" in await refused(f"{PODS}/web:70000/proxy/", 400)
    assert "invalid pod request" in await refused(f"{PODS}/ftp:web:80/proxy/", 400)
    assert 'services "nosuch" not found' in await refused(f"{SERVICES}/nosuch/proxy/", 404)
    assert 'no service port 81 found for service "web"' in await refused(f"{SERVICES}/web:81/proxy/", 503)
    assert 'no endpoints available for service "web:nosuch"' in await refused(f"{SERVICES}/web:nosuch/proxy/", 503)
    await place(api, "web", ADDRESS, "Failed")
    assert "has ended" in await refused(f"{PODS}/web:80/proxy/", 400)
    assert "no endpoints available" in await refused(f"{SERVICES}/web:80/proxy/", 503)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1", "fe80::1"])
async def test_addresses_of_the_machine_itself_are_refused(web: Played, api: Api, admin: Person, address: str) -> None:
    await place(api, "web", address)
    answer = await admin.ask(f"{PODS}/web:80/proxy/")
    assert (answer.status, b"address not allowed" in answer.body, web.dialled) == (400, True, [])


@pytest.mark.parametrize(
    "more",
    [
        {"targetRef": None},
        {"targetRef": {"kind": "Pod", "namespace": "default", "name": "other"}},
        {"targetRef": {"kind": "Pod", "namespace": "kube-system", "name": "web"}},
        {"targetRef": {"kind": "Node", "name": "web"}},
        {"conditions": {"ready": False}},
    ],
)
async def test_only_pods_of_the_namespace_are_behind_a_service(web: Played, api: Api, admin: Person, more: dict[str, object]) -> None:
    """Who may write EndpointSlices cannot lead the API server elsewhere."""
    await api.delete("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-web")
    await endpoints(api, "bad", ADDRESS, **more)
    assert b"no endpoints available" in (await admin.ask(f"{SERVICES}/web:80/proxy/")).body
    await endpoints(api, "elsewhere", "10.0.0.99")
    assert b"no endpoints available" in (await admin.ask(f"{SERVICES}/web:80/proxy/")).body
    assert web.dialled == []


async def test_the_right_is_that_of_the_method_and_the_whole_name(web: Played, api: Api, person: People) -> None:
    await grant(api, "ann", rule("get", "pods/proxy services/proxy"))
    await grant(api, "bob", rule("create", "services/proxy") | {"resourceNames": ["http:web:80"]})
    await grant(api, "eve", rule("*", "pods services nodes pods/log"))
    ann, bob, eve = person("ann"), person("bob"), person("eve")
    for path in (f"{PODS}/web:80/proxy/", f"{SERVICES}/web:80/proxy/"):
        assert [(await ann.ask(path)).status, (await ann.ask(path, method="HEAD")).status] == [200, 200]
        assert [(await ann.ask(path, method=method)).status for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")] == [403] * 5
        assert (await eve.ask(path)).status == 403
    assert (await bob.ask(f"{SERVICES}/http:web:80/proxy/", method="POST")).status == 200
    assert (await bob.ask(f"{SERVICES}/web:80/proxy/", method="POST")).status == 403


async def test_who_may_edit_a_namespace_may_use_its_proxies(web: Played, api: Api, person: People) -> None:
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User"}
    for role in ("view", "edit"):
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        value = {"metadata": {"name": role}, "subjects": [subject | {"name": role}], "roleRef": reference}
        await api.post("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", value)
    for path in (f"{PODS}/web:80/proxy/", f"{SERVICES}/web:80/proxy/"):
        assert [(await person(role).ask(path)).status for role in ("view", "edit")] == [403, 200]


async def test_another_endpoint_is_tried_where_one_does_not_answer(web: Played, api: Api, admin: Person) -> None:
    spec = {"nodeName": "n1", "containers": [{"name": "main", "image": "i"}]}
    await api.post(PODS, {"metadata": {"name": "gone"}, "spec": spec})
    await place(api, "gone", "10.244.0.8")
    await endpoints(api, "gone", "10.244.0.8", targetRef={"kind": "Pod", "namespace": "default", "name": "gone"})
    for _ in range(10):
        assert (await admin.ask(f"{SERVICES}/web:80/proxy/")).status == 200


async def test_a_body_beyond_the_limit_is_refused(web: Played, admin: Person) -> None:
    answer = await admin.ask(f"{PODS}/web:80/proxy/", method="POST", body=b"x" * (3 * 1024 * 1024 + 1))
    assert (answer.status, web.asked) == (413, [])
    whole = await admin.ask(f"{PODS}/web:80/proxy/", "content-type: application/json", method="POST", body=b"{" * (1024 * 1024))
    assert (whole.status, len(web.asked[0].body)) == (200, 1024 * 1024)


async def test_a_client_that_leaves_ends_the_request(web: Played, admin: Person) -> None:
    gone = asyncio.Event()

    async def answer(request: Request) -> None:
        try:
            stream = request.stream(200, ())
            stream.write(b"x")
            await stream.closed()
        finally:
            gone.set()

    web.answer = answer
    async with asyncio.timeout(10):
        async with admin.connected() as client:
            client.get(f"{PODS}/web:80/proxy/")
            await client.read_until(b"x")
        await gone.wait()
