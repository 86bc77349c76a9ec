"""Calls as short as the requests they stand for."""

from typing import Any

import pytest

from pilothouse.client.transport import JSON, MERGE_PATCH, Call, Transport
from pilothouse.engine.apiserver.identity import AUTHENTICATED, User
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


class Api:
    """transport: over which the calls go; without one they are the user's, inside the process."""

    def __init__(self, server: ApiServer, user: User, transport: Transport | None = None) -> None:
        self.server = server
        self.transport: Transport = InProcessTransport(server, user) if transport is None else transport

    def as_user(self, name: str, *groups: str) -> "Api":
        return Api(self.server, User(name, (*groups, AUTHENTICATED)))

    async def call(self, method: str, path: str, body: Any = None, content_type: str = JSON, **query: str) -> Any:
        return await self.transport.call(Call(method, path, tuple(query.items()), body, content_type))

    async def get(self, path: str, **query: str) -> Any:
        return await self.call("GET", path, **query)

    async def post(self, path: str, body: Object, **query: str) -> Any:
        return await self.call("POST", path, typed(path, body), **query)

    async def put(self, path: str, body: Object, **query: str) -> Any:
        return await self.call("PUT", path, typed(path, body), **query)

    async def patch(self, path: str, body: Any, content_type: str = MERGE_PATCH, **query: str) -> Any:
        return await self.call("PATCH", path, body, content_type, **query)

    async def delete(self, path: str, body: Any = None, **query: str) -> Any:
        return await self.call("DELETE", path, body, **query)

    async def refused(self, method: str, path: str, body: Any = None, content_type: str = JSON, **query: str) -> ApiError:
        """The error that the call must end with."""
        with pytest.raises(ApiError) as caught:
            await self.call(method, path, body if method == "PATCH" else typed(path, body), content_type, **query)
        return caught.value

    async def names(self, path: str, **query: str) -> list[str]:
        return [item["metadata"]["name"] for item in (await self.get(path, **query))["items"]]


def typed(path: str, body: Any) -> Any:
    """Built-in kinds need not state their type; a body that does is left alone."""
    return body


def configmap(name: str, **data: str) -> Object:
    return {"metadata": {"name": name}, "data": data}


def pod(name: str, **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "image"}], **spec}}
