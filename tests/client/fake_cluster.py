"""An API server of a hundred lines, in memory: any built-in resource, no validation, and faults on demand.

`FakeTransport` reaches it without sockets; `tests.client.http_server` puts it behind real HTTP. Both pass the transport contract.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from copy import deepcopy
from typing import Any, NamedTuple

from pilothouse.client.failures import ConnectionLost
from pilothouse.client.transport import JSON_PATCH, Call, Socket, WatchEvent
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, Conflict, Expired, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import BUILT_IN
from pilothouse.model.patch import json_patch, merge_patch
from pilothouse.model.resource import Resource
from pilothouse.model.selector import parse_fields, parse_labels


class Target(NamedTuple):
    resource: Resource
    namespace: str
    name: str
    subresource: str


class Change(NamedTuple):
    revision: int
    key: tuple[str, str, str]
    before: Object | None
    after: Object | None
    last: Object


class FakeCluster:
    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.history: list[Change] = []
        self.calls: list[Call] = []
        self.failures: deque[BaseException] = deque()
        self.broken_watches = 0
        self._changed = asyncio.Event()

    def compact(self) -> None:
        self.compacted = self.revision
        self.history.clear()

    def break_watches(self) -> None:
        """Every open watch loses its connection."""
        self.broken_watches += 1
        self._wake()

    def bookmark(self) -> None:
        """The revision moves on without a change to what anyone watches."""
        self.revision += 1
        self._wake()

    def handle(self, call: Call) -> Any:
        self.calls.append(call)
        if self.failures:
            raise self.failures.popleft()
        target, query = locate(call.path), dict(call.query)
        if call.method == "GET":
            return self._get(target) if target.name else self._list(target, query)
        if call.method == "POST":
            return self._create(target, call.body)
        old = self._get(target)
        if call.method == "DELETE":
            return self._delete(target, old, call.body)
        if call.method == "PATCH":
            patched = json_patch(old, call.body) if call.content_type == JSON_PATCH else merge_patch(old, call.body)
            return self._commit(key_of(target), old, deepcopy(patched))
        if call.body["metadata"].get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
            raise Conflict.of(target.resource.plural, target.name, "the object has been modified", target.resource.group)
        return self._commit(key_of(target), old, deepcopy(call.body))

    def _get(self, target: Target) -> Object:
        found = self.objects.get(key_of(target))
        if found is None:
            raise NotFound.of(target.resource.plural, target.name, target.resource.group)
        return found

    def _create(self, target: Target, body: Object) -> Object:
        obj = deepcopy(body)
        metadata = obj["metadata"]
        key = (target.resource.group_resource, target.namespace, metadata["name"])
        if key in self.objects:
            raise AlreadyExists.of(target.resource.plural, metadata["name"], target.resource.group)
        metadata["uid"] = f"uid-{self.revision + 1}"
        if target.namespace:
            metadata["namespace"] = target.namespace
        return self._commit(key, None, obj)

    def _delete(self, target: Target, old: Object, options: Object | None) -> Object:
        wanted = ((options or {}).get("preconditions") or {}).get("uid")
        if wanted is not None and wanted != meta.uid(old):
            raise Conflict.of(target.resource.plural, target.name, f"the UID in the precondition ({wanted}) does not match")
        self._commit(key_of(target), old, None)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def _commit(self, key: tuple[str, str, str], before: Object | None, after: Object | None) -> Object:
        self.revision += 1
        value = after if after is not None else before
        assert value is not None
        last: Object = value | {"metadata": value["metadata"] | {"resourceVersion": str(self.revision)}}
        if after is None:
            del self.objects[key]
        else:
            self.objects[key] = last
        self.history.append(Change(self.revision, key, before, None if after is None else last, last))
        self._wake()
        return last

    def _list(self, target: Target, query: dict[str, str]) -> Object:
        at, start = self.revision, 0
        if query.get("continue"):
            at, start = (int(part) for part in query["continue"].split(":"))
            if at < self.compacted:
                raise Expired("The provided continue parameter is too old")
        chosen = [value for key, value in sorted(self._at(at).items()) if chosen_by(target, query, key, value)]
        end = start + int(query.get("limit") or len(chosen) or 1)
        metadata = {"resourceVersion": str(at)} | ({"continue": f"{at}:{end}"} if end < len(chosen) else {})
        items = [{name: value for name, value in item.items() if name not in ("kind", "apiVersion")} for item in chosen[start:end]]
        return {"kind": f"{target.resource.kind}List", "apiVersion": target.resource.api_version, "metadata": metadata, "items": items}

    def _at(self, revision: int) -> dict[tuple[str, str, str], Object]:
        state = dict(self.objects)
        for change in reversed([change for change in self.history if change.revision > revision]):
            if change.before is None:
                state.pop(change.key, None)
            else:
                state[change.key] = change.before
        return state

    async def watch(self, call: Call) -> AsyncGenerator[WatchEvent, None]:
        """The first item, an event of type "", says that the watch is accepted."""
        self.calls.append(call)
        if self.failures:
            raise self.failures.popleft()
        target, query, broken = locate(call.path), dict(call.query), self.broken_watches
        since = int(query.get("resourceVersion") or 0)
        yield WatchEvent("", {})
        if since and since < self.compacted:
            raise Expired(f"too old resource version: {since} ({self.compacted})")
        if not since:
            since = self.revision
            for key, value in sorted(self.objects.items()):
                if chosen_by(target, query, key, value):
                    yield WatchEvent("ADDED", value)
        deadline = asyncio.get_running_loop().time() + float(query.get("timeoutSeconds") or 3600)
        while asyncio.get_running_loop().time() < deadline:
            if self.broken_watches > broken:
                raise ConnectionLost("the connection was lost")
            for change in [change for change in self.history if change.revision > since]:
                if event := event_of(target, query, change):
                    yield event
            if self.revision > since and (not self.history or self.history[-1].revision < self.revision):
                empty = {"kind": target.resource.kind, "apiVersion": target.resource.api_version}
                yield WatchEvent("BOOKMARK", empty | {"metadata": {"resourceVersion": str(self.revision)}})
            since = self.revision
            await self._wait(deadline)

    async def _wait(self, deadline: float) -> None:
        changed = self._changed
        try:
            async with asyncio.timeout_at(deadline):
                await changed.wait()
        except TimeoutError:
            pass

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class FakeTransport:
    """Straight into a FakeCluster."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster

    async def call(self, call: Call) -> Any:
        await asyncio.sleep(0)
        return self.cluster.handle(call)

    @asynccontextmanager
    async def watch(self, call: Call) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        async with aclosing(self.cluster.watch(call)) as events:
            await anext(events)
            yield events

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[AsyncIterator[bytes]]:
        self.cluster.handle(Call("GET", call.path))
        raise ApiError("a fake pod has no log")
        yield

    @asynccontextmanager
    async def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AsyncIterator[Socket]:
        self.cluster.handle(Call("GET", call.path))
        raise ApiError("a fake pod runs nothing")
        yield

    async def close(self) -> None:
        pass


def locate(path: str) -> Target:
    """The target of a path; raises NotFound when no built-in resource lives there."""
    _, root, *parts = path.split("/")
    group, version, *rest = ["", *parts] if root == "api" else [*parts, ""]
    rest = [part for part in rest if part]
    namespaced = len(rest) > 2 and rest[0] == "namespaces"
    namespace, rest = (rest[1], rest[2:]) if namespaced else ("", rest)
    plural, name, subresource = [*rest, "", "", ""][:3]
    for resource in BUILT_IN:
        if (resource.group, resource.version, resource.plural) == (group, version, plural):
            return Target(resource, namespace, name, subresource)
    raise NotFound("the server could not find the requested resource")


def key_of(target: Target) -> tuple[str, str, str]:
    return (target.resource.group_resource, target.namespace, target.name)


def chosen_by(target: Target, query: dict[str, str], key: tuple[str, str, str], value: Object | None) -> bool:
    if value is None or key[0] != target.resource.group_resource or (target.namespace and key[1] != target.namespace):
        return False
    fields = {"metadata.name": key[2], "metadata.namespace": key[1]}
    labels_match = parse_labels(query.get("labelSelector", "")).matches(meta.labels(value))
    return labels_match and parse_fields(query.get("fieldSelector", "")).matches(fields)


def event_of(target: Target, query: dict[str, str], change: Change) -> WatchEvent | None:
    was = chosen_by(target, query, change.key, change.before)
    has = chosen_by(target, query, change.key, change.after)
    if not was and not has:
        return None
    return WatchEvent(("MODIFIED" if was else "ADDED") if has else "DELETED", change.last)
