"""An API server of objects in memory, as far as informers need one: list, watch, get, create."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.transport import Call, Socket, WatchEvent
from pilothouse.model.errors import AlreadyExists, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource


class FakeCluster:
    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Object]] = {}
        self._history: list[tuple[int, str, WatchEvent]] = []
        self._changed = asyncio.Condition()
        self._revision = 1

    def informers(self) -> Informers:
        return Informers(Client(self))

    async def put(self, resource: Resource, obj: Object) -> None:
        key = f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
        known = self._objects.setdefault(resource.path(), {})
        await self._tell(resource.path(), key, "MODIFIED" if key in known else "ADDED", obj)

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        key = f"{namespace}/{name}"
        await self._tell(resource.path(), key, "DELETED", self._objects[resource.path()][key])

    async def _tell(self, path: str, key: str, type_: str, obj: Object) -> None:
        self._revision += 1
        stored = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._revision)}}
        known = self._objects[path]
        if type_ == "DELETED":
            del known[key]
        else:
            known[key] = stored
        self._history.append((self._revision, path, WatchEvent(type_, stored)))
        async with self._changed:
            self._changed.notify_all()

    async def call(self, call: Call) -> Any:
        if call.method == "POST":
            return await self._create(call)
        if call.method == "PATCH":
            return await self._merge(call)
        if call.method != "GET":
            raise NotFound("only reads and creations are answered here")
        collection, _, name = call.path.rpartition("/")
        is_of_namespace = call.path.partition("/namespaces/")[2].count("/") == 2
        if is_of_namespace or any(collection.endswith(path.rpartition("/")[2]) for path in self._objects):
            resource, namespace = _unscoped(collection)
            found = self._objects.get(resource, {}).get(f"{namespace}/{name}")
            if found is None:
                raise NotFound.of(resource.rpartition("/")[2], name)
            return found
        return {"items": list(self._objects.get(call.path, {}).values()), "metadata": {"resourceVersion": str(self._revision)}}

    async def _create(self, call: Call) -> Object:
        path, namespace = _unscoped(call.path)
        obj: Object = call.body
        key = f"{namespace}/{obj['metadata']['name']}"
        if key in self._objects.setdefault(path, {}):
            raise AlreadyExists.of(path, key)
        await self._tell(path, key, "ADDED", obj)
        return obj

    async def _merge(self, call: Call) -> Object:
        """Of a patch its fields at the top."""
        collection, _, name = call.path.rpartition("/")
        path, namespace = _unscoped(collection)
        found = self._objects.get(path, {}).get(f"{namespace}/{name}")
        if found is None:
            raise NotFound.of(path.rpartition("/")[2], name)
        changed: Object = {**found, **call.body}
        await self._tell(path, f"{namespace}/{name}", "MODIFIED", changed)
        return changed

    def objects(self, resource: Resource) -> list[Object]:
        return list(self._objects.get(resource.path(), {}).values())

    @contextlib.asynccontextmanager
    async def watch(self, call: Call) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        yield self._events(call.path, int(dict(call.query)["resourceVersion"]))

    async def _events(self, path: str, since: int) -> AsyncIterator[WatchEvent]:
        while True:
            for revision, where, event in self._history:
                if revision > since:
                    since = revision
                    if where == path:
                        yield event
            async with self._changed:
                while self._revision <= since:
                    await self._changed.wait()

    def stream(self, call: Call) -> contextlib.AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise NotFound("only reads are answered here")

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> contextlib.AbstractAsyncContextManager[Socket]:
        raise NotFound("only reads are answered here")

    async def close(self) -> None:
        return None


def _unscoped(path: str) -> tuple[str, str]:
    """Path of a resource in all namespaces, and the namespace that the given path names."""
    before, found, after = path.partition("/namespaces/")
    if not found or "/" not in after:
        return path, ""
    namespace, _, plural = after.partition("/")
    return f"{before}/{plural}", namespace


def service(name: str, *ports: Object, namespace: str = "default", **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.10", "ports": [*ports], **spec},
    }


def endpoint(address: str, *, node: str = "here", ready: bool | None = True, **more: Any) -> Object:
    others: Object = {key: more.pop(key) for key in ("serving", "terminating") if key in more}
    conditions = {"ready": ready, **others}
    return {"addresses": [address], "nodeName": node, "conditions": conditions, **more}


def endpoint_slice(service_name: str, ports: list[Object], *endpoints: Object, namespace: str = "default", suffix: str = "x") -> Object:
    labels = {"kubernetes.io/service-name": service_name}
    return {
        "metadata": {"name": f"{service_name}-{suffix}", "namespace": namespace, "labels": labels, "uid": f"uid-{service_name}-{suffix}"},
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [*endpoints],
    }
