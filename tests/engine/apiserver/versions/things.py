"""A custom resource of two versions, and the webhook that converts one into the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pilothouse.client.transport import Call, WatchEvent
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.webhooks.listener import Listener

V1, V2 = (f"/apis/example.com/{version}/namespaces/default/things" for version in ("v1", "v2"))

CRD = f"{CRDS}/things.example.com"

TEXT = {"type": "string"}


def version(name: str, properties: Object, *, storage: bool = False, **more: Any) -> Object:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


ONE = version("v1", {"host": TEXT, "port": TEXT}, storage=True)

TWO = version("v2", {"address": TEXT, "port": {"type": "string", "default": "80"}})


def definition(*versions: Object, conversion: Object | None = None) -> Object:
    spec = {"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": list(versions)}
    return {"metadata": {"name": "things.example.com"}, "spec": spec | ({"conversion": conversion} if conversion else {})}


def thing(of: str, name: str = "t", **spec: str) -> Object:
    return {"apiVersion": f"example.com/{of}", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


async def redefine(api: Api, *versions: Object, conversion: Object | None = None) -> Object:
    current = await api.get(CRD)
    made: Object = await api.put(CRD, current | {"spec": current["spec"] | definition(*versions, conversion=conversion)["spec"]})
    return made


@asynccontextmanager
async def watching(api: Api, path: str, **query: str) -> AsyncIterator[AsyncIterator[WatchEvent]]:
    async with asyncio.timeout(10), api.transport.watch(Call("GET", path, (("watch", "1"), *query.items()))) as events:
        yield events


def convert(document: Any) -> Any:
    """v1's `host` is v2's `address`."""
    request = document["request"]
    converted = [_converted(each, request["desiredAPIVersion"]) for each in request["objects"]]
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}
    return {"apiVersion": document["apiVersion"], "kind": "ConversionReview", "response": response}


def _converted(obj: Object, wanted: str) -> Object:
    spec = dict(obj.get("spec") or {})
    before, after = ("host", "address") if wanted.endswith("v2") else ("address", "host")
    if before in spec:
        spec[after] = spec.pop(before)
    return obj | {"apiVersion": wanted, "spec": spec}


def webhook(listener: Listener, *versions: str) -> Object:
    return {"strategy": "Webhook", "webhook": {"clientConfig": listener.config(), "conversionReviewVersions": list(versions) or ["v1"]}}
