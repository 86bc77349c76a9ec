"""The verbs of the API over any transport, for any resource.

Objects are what the server sent and may be shared with its cache: a caller never changes them. Lists leave out `kind` and
`apiVersion` of their items; `typed` adds them on a shallow copy, so that an item reads like the object itself.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from pilothouse.client.transport import APPLY_PATCH, JSON, MERGE_PATCH, Call, Socket, Transport, WatchEvent
from pilothouse.model import meta
from pilothouse.model.errors import Expired, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from pilothouse.model.resource import Resource

PAGE_SIZE = 500
EXEC_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


@dataclass(frozen=True, slots=True)
class ObjectList:
    """continue_: "" on the last page. remaining: items after this page, as far as the server tells."""

    items: list[Object]
    resource_version: str
    continue_: str = ""
    remaining: int | None = None


def typed(resource: Resource, obj: Object) -> Object:
    """The object with `apiVersion` and `kind`; itself when it has them."""
    if "kind" in obj:
        return obj
    return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}


def _query(**parameters: str | int | float | bool | None) -> tuple[tuple[str, str], ...]:
    """Query parameters in the order given, without those that are None, "" or False."""
    return tuple(
        (name, "true" if value is True else str(value))
        for name, value in parameters.items()
        if value not in (None, "") and value is not False
    )


class Client:
    """field_manager: the name under which the server notes which fields this client has set."""

    def __init__(self, transport: Transport, *, field_manager: str = "pilothouse") -> None:
        self.transport = transport
        self.field_manager = field_manager

    async def get(self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str | None = None) -> Object:
        found: Object = await self.transport.call(Call("GET", resource.path(namespace, name, subresource)))
        return found

    async def get_or_none(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        try:
            return await self.get(resource, name, namespace)
        except NotFound:
            return None

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int | None = None,
        continue_: str | None = None,
        resource_version: str | None = None,
    ) -> ObjectList:
        """One page: all items, or the first `limit`. namespace None: of all namespaces."""
        query = _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=limit,
            **{"continue": continue_},
            resourceVersion=resource_version,
        )
        answer: Object = await self.transport.call(Call("GET", resource.path(namespace), query))
        metadata = answer.get("metadata") or {}
        items = [typed(resource, item) for item in answer.get("items") or ()]
        return ObjectList(items, metadata.get("resourceVersion") or "", metadata.get("continue") or "", metadata.get("remainingItemCount"))

    async def list_all(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> ObjectList:
        """Everything, in pages of one revision. When the revision is compacted away meanwhile, once more without pages."""
        selected: dict[str, Any] = {"label_selector": label_selector, "field_selector": field_selector}
        items: list[Object] = []
        continue_: str | None = None
        try:
            while True:
                page = await self.list(resource, namespace, limit=page_size, continue_=continue_, **selected)
                items += page.items
                continue_ = page.continue_
                if not continue_:
                    return ObjectList(items, page.resource_version)
        except Expired:
            return await self.list(resource, namespace, **selected)

    async def create(
        self, resource: Resource, obj: Object, namespace: str | None = None, *, subresource: str | None = None, dry_run: bool = False
    ) -> Object:
        """namespace: by default the object's own. With a subresource (eviction, token) the object's name is in the path."""
        name = meta.name(obj) if subresource else None
        path = resource.path(namespace or meta.namespace(obj), name, subresource)
        return await self._write("POST", path, typed(resource, obj), dry_run=dry_run)

    async def update(
        self, resource: Resource, obj: Object, namespace: str | None = None, *, subresource: str | None = None, dry_run: bool = False
    ) -> Object:
        """Replace the object; its resourceVersion, when there is one, must be the current one (else Conflict)."""
        path = resource.path(namespace or meta.namespace(obj), meta.name(obj), subresource)
        return await self._write("PUT", path, typed(resource, obj), dry_run=dry_run)

    async def update_status(self, resource: Resource, obj: Object, namespace: str | None = None) -> Object:
        return await self.update(resource, obj, namespace, subresource="status")

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        *,
        namespace: str | None = None,
        type: str = MERGE_PATCH,
        subresource: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """type: one of the patch content types of `client.transport`. force: of an apply, take fields from other managers."""
        path = resource.path(namespace, name, subresource)
        return await self._write("PATCH", path, patch, content_type=type, dry_run=dry_run, force=force)

    async def apply(self, resource: Resource, obj: Object, *, force: bool = True, subresource: str | None = None) -> Object:
        """Server-side apply: the fields in `obj` become as given and ours; all others stay as they are."""
        namespace = meta.namespace(obj)
        applied = typed(resource, obj)
        return await self.patch(
            resource, meta.name(obj), applied, namespace=namespace, type=APPLY_PATCH, subresource=subresource, force=force
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        grace_s: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Object:
        """Returns the object when it still exists (grace period, finalizers), else a Status.

        propagation: Background, Foreground or Orphan. uid, resource_version: preconditions (else Conflict).
        """
        options = delete_options(grace_s, propagation, uid, resource_version)
        answer: Object = await self.transport.call(Call("DELETE", resource.path(namespace, name), body=options))
        return answer

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        grace_s: int | None = None,
        propagation: str | None = None,
    ) -> Object:
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        options = delete_options(grace_s, propagation, None, None)
        answer: Object = await self.transport.call(Call("DELETE", resource.path(namespace), query, body=options))
        return answer

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_s: int | None = None,
        bookmarks: bool = True,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Changes after `resource_version`; from "" on, existing objects come first as ADDED. Raises Expired when it is compacted away.

        timeout_s: after how long the server ends the watch by itself.
        """
        query = _query(
            watch=True,
            allowWatchBookmarks=bookmarks,
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            timeoutSeconds=timeout_s,
        )
        return self.transport.watch(Call("GET", resource.path(namespace), query))

    def logs(
        self,
        name: str,
        namespace: str,
        *,
        container: str | None = None,
        follow: bool = False,
        previous: bool = False,
        tail_lines: int | None = None,
        since_s: int | None = None,
        since_time: str | None = None,
        limit_bytes: int | None = None,
        timestamps: bool = False,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """What a container of the pod has printed, as it arrives."""
        query = _query(
            container=container,
            follow=follow,
            previous=previous,
            tailLines=tail_lines,
            sinceSeconds=since_s,
            sinceTime=since_time,
            limitBytes=limit_bytes,
            timestamps=timestamps,
        )
        return self.transport.stream(Call("GET", PODS.path(namespace, name, "log"), query, accept="*/*"))

    def exec(
        self,
        name: str,
        namespace: str,
        command: Sequence[str],
        *,
        container: str | None = None,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> AbstractAsyncContextManager[Socket]:
        """A session that runs the command in a container; `client.session.Session` speaks its channels."""
        flags = _query(container=container, stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty)
        query = tuple(("command", part) for part in command) + flags
        return self.transport.connect(Call("GET", PODS.path(namespace, name, "exec"), query), EXEC_PROTOCOLS)

    async def call(self, method: str, path: str, *, query: tuple[tuple[str, str], ...] = (), body: Any = None) -> Any:
        """Anything else that the server has under a path: /version, /openapi/v3, a subresource."""
        return await self.transport.call(Call(method, path, query, body))

    async def close(self) -> None:
        await self.transport.close()

    async def _write(
        self, method: str, path: str, body: Any, *, content_type: str = JSON, dry_run: bool = False, force: bool = False
    ) -> Object:
        query = _query(fieldManager=self.field_manager, dryRun="All" if dry_run else None, force=force)
        answer: Object = await self.transport.call(Call(method, path, query, body, content_type))
        return answer


def delete_options(grace_s: int | None, propagation: str | None, uid: str | None, resource_version: str | None) -> Object | None:
    """A DeleteOptions, or None when every option is the server's default."""
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    options = {
        "gracePeriodSeconds": grace_s,
        "propagationPolicy": propagation,
        "preconditions": {key: value for key, value in preconditions.items() if value is not None} or None,
    }
    given = {key: value for key, value in options.items() if value is not None}
    return {"kind": "DeleteOptions", "apiVersion": "v1", **given} if given else None
