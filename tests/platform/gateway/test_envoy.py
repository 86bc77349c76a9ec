"""The configuration in a real Envoy, between clients and applications on loopback."""

import asyncio
import json
import re
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pilothouse.platform.gateway.envoy import other_than
from pilothouse.platform.gateway.process import EnvoyProcess
from pilothouse.platform.gateway.routes import UNAVAILABLE, Table
from tests.platform.gateway.conftest import RealGateway, free_port
from tests.platform.gateway.objects import certificate, endpoint, ingress, path, piece, routed, secret, service
from tests.platform.gateway.upstream import Upstream, answer

DRAINING = {"ready": False, "serving": True, "terminating": True}


def behind(*upstreams: Upstream, draining: tuple[Upstream, ...] = (), **spec: Any) -> Table:
    """shop.localhost in front of the upstreams."""
    slices = tuple(piece(endpoint(each.address), http=each.port) for each in upstreams)
    slices += tuple(piece(endpoint(each.address, **DRAINING), http=each.port) for each in draining)
    return routed(ingress("a", ("shop.localhost", [path("/")]), **spec), services=(service(http=80),), slices=slices)


async def test_requests_reach_the_application_as_they_were_sent(gateway: RealGateway) -> None:
    async with Upstream("web") as shop:
        await gateway.route(behind(shop))
        port = gateway.listening.http_port
        assert (await gateway.echo(host=f"shop.localhost:{port}"))["headers"]["host"] == f"shop.localhost:{port}"
        assert (await gateway.echo(host="shop.localhost"))["headers"]["host"] == "shop.localhost"
        for method in ("PROPFIND", "REPORT", "DELETE", "OPTIONS"):
            assert (await gateway.echo("/dav/", method=method))["method"] == method
        for target in ("/a%2Fb//c?x=%2F&y=/../z", "//double", "/%E4%BD%A0?q=a+b", "/a/./b/../c", "/back%5Cslash"):
            assert (await gateway.echo(target))["target"] == target
        assert (await gateway.echo("/", **{"X-Forwarded-For": "203.0.113.9"}))["headers"]["x-forwarded-for"].startswith("203.0.113.9,")


async def test_sixty_kilobytes_of_headers_pass(gateway: RealGateway) -> None:
    async with Upstream("web") as shop:
        await gateway.route(behind(shop))
        sent = {f"X-Big-{i}": "v" * 4000 for i in range(15)}
        headers = (await gateway.echo(**sent))["headers"]
        assert all(headers[name.lower()] == value for name, value in sent.items())


async def test_a_websocket_is_upgraded_and_stays_open(gateway: RealGateway, http: aiohttp.ClientSession) -> None:
    async def shake_hands(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{request.headers['Origin']} {message.data}")
        return socket

    server = web.ServerRunner(web.Server(shake_hands))
    await server.setup()
    port = free_port()
    await web.TCPSite(server, "127.0.0.1", port).start()
    try:
        slices = (piece(endpoint("127.0.0.1"), http=port),)
        await gateway.route(routed(ingress("a", ("", [path("/")])), services=(service(http=80),), slices=slices))
        url = f"http://127.0.0.1:{gateway.listening.http_port}/chat"
        async with http.ws_connect(url, headers={"Origin": "http://shop.localhost"}) as socket:
            for text in ("one", "two"):
                await socket.send_str(text)
                assert (await socket.receive(timeout=5)).data == f"http://shop.localhost {text}"
    finally:
        await server.cleanup()


async def test_paths_are_matched_by_whole_segments_and_what_has_no_route_is_told(gateway: RealGateway) -> None:
    async with Upstream("web") as shop:
        made = ingress("a", ("shop.localhost", [path("/api"), path("/exact", kind="Exact")]))
        await gateway.route(routed(made, services=(service(),), slices=(piece(endpoint("127.0.0.1"), **{"": shop.port}),)))
        assert [(await gateway.ask(p))[0] for p in ("/api", "/api/", "/api/x?y", "/exact")] == [200] * 4
        for missing in ("/", "/apix", "/exact/x", "/API"):
            assert await gateway.ask(missing) == (404, "404: no route has this path\n")
        assert await gateway.ask("/api", host="other.localhost") == (404, "404: no route has this host name\n")


async def test_a_draining_endpoint_gets_nothing_new_even_alone(gateway: RealGateway) -> None:
    async with Upstream("old") as old, Upstream("new") as new:
        await gateway.route(behind(new, draining=(old,)))
        assert {(await gateway.echo())["by"] for _ in range(20)} == {"new"}
        await gateway.route(behind(draining=(old,)))
        assert (await gateway.ask())[0] == 503
        assert old.requests == 0


async def test_a_request_in_work_on_a_draining_endpoint_is_answered(gateway: RealGateway) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(line: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        entered.set()
        await go_on.wait()
        await answer(writer, json.dumps({"by": "old"}))

    async with Upstream("old", slowly) as old, Upstream("new") as new:
        await gateway.route(behind(old))
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(gateway.echo())
            await entered.wait()
            await gateway.route(behind(new, draining=(old,)))
            hosts = await gateway.process.admin.hosts()
            state = hosts["default/web/80"][old.address, old.port]
            assert (state.is_draining, state.active_requests) == (True, 1)
            assert (await gateway.echo())["by"] == "new"
            go_on.set()
        assert waiting.result() == {"by": "old"}


async def test_an_endpoint_that_refuses_connections_is_left_for_another(gateway: RealGateway) -> None:
    async with Upstream("gone") as gone:
        closed = gone.port
    async with Upstream("web") as shop:
        slices = (piece(endpoint("127.0.0.1"), http=closed), piece(endpoint("127.0.0.1"), http=shop.port))
        await gateway.route(routed(ingress("a", ("shop.localhost", [path("/")])), services=(service(http=80),), slices=slices))
        assert [(await gateway.ask())[0] for _ in range(20)] == [200] * 20


async def test_no_endpoint_at_all_is_a_503(gateway: RealGateway) -> None:
    await gateway.route(behind())
    assert (await gateway.ask())[0] == 503


async def test_a_request_that_has_reached_the_application_is_never_repeated(gateway: RealGateway) -> None:
    async def hang_up(line: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with Upstream("web", hang_up) as shop:
        await gateway.route(behind(shop))
        assert (await gateway.ask(method="POST", **{"Content-Length": "0"}))[0] == 503
        assert shop.requests == 1


async def test_a_certificate_is_chosen_by_name_and_the_request_is_https_to_the_application(
    gateway: RealGateway, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    chain, key = certificate("shop.localhost")
    trusted = ssl.create_default_context(cadata=chain)
    async with Upstream("web") as shop:
        tls = [{"hosts": ["shop.localhost"], "secretName": "tls"}]
        slices = (piece(endpoint("127.0.0.1"), http=shop.port),)
        made = ingress("a", ("shop.localhost", [path("/")]), tls=tls)
        await gateway.route(routed(made, services=(service(http=80),), slices=slices, secrets=(secret(chain, key),)))
        url = f"https://127.0.0.1:{gateway.listening.https_port}/"
        headers = {"Host": "shop.localhost"}
        async with http.get(url, headers=headers, ssl=trusted, server_hostname="shop.localhost") as found:
            assert (await found.json(content_type=None))["headers"]["x-forwarded-proto"] == "https"
        with pytest.raises(aiohttp.ClientError):
            await http.get(url, headers=headers, ssl=trusted, server_hostname="other.localhost")


async def test_a_running_envoy_is_adopted_and_goes_on_serving(gateway: RealGateway) -> None:
    async with Upstream("web") as shop:
        await gateway.route(behind(shop))
        pid = gateway.process.running_pid()
        again = EnvoyProcess(gateway.files, gateway.log)
        assert await again.ensure() == pid
        assert (await gateway.ask())[0] == 200
        await again.stop()
        assert again.running_pid() is None


async def test_a_pid_file_of_another_process_is_not_taken_for_envoy(gateway: RealGateway) -> None:
    async with Upstream("web") as shop:
        await gateway.route(behind(shop))
        await gateway.process.stop()
        (gateway.files.folder / "envoy.pid").write_text('{"pid": 1, "started": "0"}')
        assert gateway.process.running_pid() is None
        await gateway.route(behind(shop))
        assert (await gateway.ask())[0] == 200


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.2", "HTTP/2.0", "foo", "websocke", "websockets", "h2c, foo"])
async def test_an_upgrade_that_nobody_here_speaks_is_ignored(gateway: RealGateway, protocol: str) -> None:
    async with Upstream("web") as shop:
        await gateway.route(behind(shop))
        headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": protocol, "HTTP2-Settings": "AAMAAABkAAQAAP__"}
        assert "upgrade" not in (await gateway.echo(**headers))["headers"]


async def test_a_route_without_ready_endpoints_answers_with_its_sentence(gateway: RealGateway) -> None:
    asleep = ingress("a", ("shop.localhost", [path("/")]))
    asleep["metadata"]["annotations"][UNAVAILABLE] = 'shop has no replicas: "ph scale shop=1" starts one; 100% \n sure'
    await gateway.route(routed(asleep, ingress("b", ("blog.localhost", [path("/")])), services=(service(http=80),)))
    status, text = await gateway.ask()
    assert (status, text) == (503, '503: shop has no replicas: "ph scale shop=1" starts one; 100% \n sure\n')
    assert await gateway.ask(host="blog.localhost") == (503, "503: no endpoint of service web in namespace default is ready\n")


async def test_an_application_that_accepts_no_connection_is_named(gateway: RealGateway) -> None:
    nobody = routed(
        ingress("a", ("shop.localhost", [path("/")])),
        services=(service(http=80),),
        slices=(piece(endpoint("127.0.0.1"), http=free_port()),),
    )
    await gateway.route(nobody)
    assert await gateway.ask() == (503, "503: the endpoints of service web in namespace default do not accept connections\n")


def test_the_expression_for_other_protocols_matches_all_but_the_words() -> None:
    expression = re.compile(other_than(["websocket", "web"]))
    assert not any(expression.fullmatch(word) for word in ("websocket", "WebSocket", "web"))
    assert all(expression.fullmatch(word) for word in ("", "w", "webs", "websockets", "h2c", "websocket, h2c", "x", "xwebsocket"))
