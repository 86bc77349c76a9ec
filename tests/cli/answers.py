"""A home whose kubeconfig leads to a server with apps, for `ph` as a process of its own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from pilothouse.client.transport import Call
from pilothouse.model.json import Object, dumps
from tests.client.fake_cluster import FakeCluster, FakeTransport
from tests.client.http_server import Handler, HttpServer, serve

APPS = "/apis/apps.pilothouse.dev/v1/namespaces/default/apps"


def app(name: str, **spec: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "creationTimestamp": "2026-02-02T01:40:00Z"}, "spec": spec}


def write_kubeconfig(home: Path, url: str) -> None:
    cluster = {"name": "c", "cluster": {"server": url}}
    context = {"name": "c", "context": {"cluster": "c", "user": ""}}
    document = {"kind": "Config", "current-context": "c", "clusters": [cluster], "contexts": [context]}
    (home / "admin.kubeconfig").write_text(yaml.safe_dump(document))


def saying(value: Object) -> Handler:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=dumps(value), content_type="application/json")

    return answer


@asynccontextmanager
async def answering(home: Path, *, apps: Sequence[Object], namespaces: Sequence[str] = ("default",)) -> AsyncIterator[HttpServer]:
    """The namespace `default` with these apps."""
    cluster = FakeCluster()
    for name in namespaces:
        await FakeTransport(cluster).call(Call("POST", "/api/v1/namespaces", body={"metadata": {"name": name}}))
    async with serve(cluster) as server:
        server.overrides[APPS] = saying({"items": list(apps)})
        server.overrides |= {f"{APPS}/{each['metadata']['name']}": saying(each) for each in apps}
        write_kubeconfig(home, f"http://127.0.0.1:{server.port}")
        yield server
