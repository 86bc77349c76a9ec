"""Another API server, played by this process: over TLS, and for nobody but the front proxy."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pilothouse.model.json import Object, dumps
from pilothouse.wire.messages import Request, Response
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import serve
from pilothouse.wire.tls import server_context

Handle = Callable[[Request], Awaitable[Response | None]]
ADDRESS, PORT = "10.244.0.9", 8443
SERVICES, SLICES = "/api/v1/namespaces/default/services", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
THINGS: Object = {
    "name": "things",
    "singularName": "thing",
    "namespaced": True,
    "kind": "Thing",
    "shortNames": ["th"],
    "verbs": ["create", "delete", "get", "list", "watch"],
}


@dataclass
class Other:
    """asked: what came for its resources, without what is asked about it. answer: what a test wants of those.

    is_silent: it takes connections and says nothing.
    """

    port: int
    authority: CertificateAuthority
    asked: list[Request] = field(default_factory=list)
    checked: list[Request] = field(default_factory=list)
    resources: list[Object] = field(default_factory=lambda: [THINGS, {**THINGS, "name": "things/status", "verbs": ["get"]}])
    documents: dict[str, Any] = field(default_factory=dict)
    answer: Handle | None = None
    status: int = 200

    async def handle(self, request: Request) -> Response | None:
        certificate = request.peer.certificate
        if certificate is None or certificate.common_name != "front-proxy-client":
            return _json({"kind": "Status", "code": 401}, 401)
        if request.path in self.documents:
            self.checked.append(request)
            return _json(self.documents[request.path])
        if request.path.startswith("/openapi"):
            return Response(404)
        if len(request.path.strip("/").split("/")) == 3:
            self.checked.append(request)
            found = {"kind": "APIResourceList", "groupVersion": request.path.removeprefix("/apis/"), "resources": self.resources}
            return _json(found, self.status)
        self.asked.append(request)
        if self.answer is not None:
            return await self.answer(request)
        return _json({"kind": "Thing", "metadata": {"name": request.path.rpartition("/")[2]}})

    @property
    def bundle(self) -> str:
        return base64.b64encode(self.authority.certificate).decode()

    def registration(self, name: str = "v1.example.org", **spec: Any) -> Object:
        version, _, group = name.partition(".")
        stated = {"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 10, "caBundle": self.bundle}
        return {"metadata": {"name": name}, "spec": stated | {"service": {"namespace": "default", "name": "other"}} | spec}


@asynccontextmanager
async def other_server(front_proxy: bytes, authority: CertificateAuthority, *names: str) -> AsyncIterator[Other]:
    """front_proxy: the authority of the client's certificate. names: in its own, which `authority` issues."""
    own = authority.issue_server(list(names))
    other = Other(0, authority)
    async with await serve(other.handle, tls=server_context(own.certificate, own.key, front_proxy)) as server:
        other.port = server.port
        yield other


def service() -> Object:
    return {"metadata": {"name": "other"}, "spec": {"ports": [{"name": "https", "port": 443, "targetPort": PORT}]}}


def slice_of(address: str = ADDRESS, *, ready: bool = True) -> Object:
    return {
        "metadata": {"name": "other-1", "labels": {"kubernetes.io/service-name": "other"}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": PORT}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}}],
    }


def _json(value: Object, status: int = 200) -> Response:
    return Response(status, (("content-type", "application/json"),), dumps(value))
